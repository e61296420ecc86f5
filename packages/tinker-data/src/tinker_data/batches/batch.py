"""Batches, positions and the interface of a dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Protocol

import tinker
from attrs import evolve, field, frozen, validators

from tinker_core import DataError
from tinker_data.datums import COUNTS, RenderedRow


@frozen(kw_only=True)
class Batching:
    """Settings of batches."""

    batch_size: int = field(default=32, validator=validators.ge(1))
    """Rows in a batch."""
    shuffle: bool = True
    """Give each epoch another order; if false, the order is that of the rows."""
    drop_last: bool = False
    """Leave out the last batch of an epoch if it is not full."""


@frozen(kw_only=True)
class Position:
    """The position of the next batch; both numbers start at 0."""

    epoch: int = field(default=0, validator=validators.ge(0))
    batch: int = field(default=0, validator=validators.ge(0))


START = Position()


@frozen(kw_only=True)
class Batch:
    """The datums of one optimizer step."""

    datums: tuple[tinker.Datum, ...]
    position: Position
    after: Position
    """The position behind this batch."""
    counts: Mapping[str, int] = field(factory=dict)
    """The counts of `RenderedRow` that are not zero, summed over the rows of the batch."""


class SupervisedDataset(Protocol):
    """Batches for training, epoch after epoch."""

    @property
    def steps_per_epoch(self) -> int | None:
        """Batches in an epoch; None if only reading to the end would tell."""
        ...

    def batches(self, start: Position = ...) -> Iterator[Batch]:
        """Batches from `start` on, without end; each has a datum."""
        ...


def assemble(rendered: list[RenderedRow], position: Position, after: Position) -> Batch:
    """A batch of rendered rows; it may have no datum."""
    totals = {key: sum(getattr(row, key) for row in rendered) for key in COUNTS}
    counts = {key: count for key, count in totals.items() if count}
    datums = tuple(datum for row in rendered for datum in row.datums)
    return Batch(datums=datums, position=position, after=after, counts=counts)


def without_empty(batches: Iterator[Batch], name: str) -> Iterator[Batch]:
    """The batches that have a datum; the counts of others are added to those of the next one.

    Raises DataError if no batch of a whole epoch has a datum.
    """
    passed: Counter[str] = Counter()
    first: Position | None = None  # of the batches passed over
    for batch in batches:
        at = batch.position
        if batch.datums:
            yield evolve(batch, counts=dict(passed + Counter(batch.counts)))
            passed, first = Counter(), None
            continue
        first = first or at
        if (at.epoch, at.batch) >= (first.epoch + 1, first.batch):
            raise DataError(f"no row of a whole epoch has a datum: {dict(passed)}", file=name)
        passed.update(batch.counts)
