"""Batches, positions and the interface of a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

import tinker
from attrs import field, frozen, validators

from tinker_core import DataError
from tinker_data.datums import RenderedRow


@frozen(kw_only=True)
class Batching:
    """How rows are put together."""

    batch_size: int = field(default=32, validator=validators.ge(1))
    """Rows in a batch."""
    shuffle: bool = True
    """Whether the order is another one in each epoch; without, it is that of the rows."""
    drop_last: bool = False
    """Whether an epoch leaves out the rows that do not fill its last batch."""


@frozen(kw_only=True)
class Position:
    """The batch that comes next; both numbers count from 0."""

    epoch: int = field(default=0, validator=validators.ge(0))
    batch: int = field(default=0, validator=validators.ge(0))


START = Position()


@frozen(kw_only=True)
class Batch:
    """The datums of one optimizer step."""

    datums: tuple[tinker.Datum, ...]
    position: Position
    after: Position
    """Where the data goes on after this batch."""
    counts: Mapping[str, int] = field(factory=dict)
    """What was lost: `num_truncated`, `num_dropped`, `num_skipped_rows`; zeros left out."""


class SupervisedDataset(Protocol):
    """Batches to learn from, epoch after epoch."""

    @property
    def steps_per_epoch(self) -> int | None:
        """None where only reading to the end would tell."""
        ...

    def batches(self, start: Position = ...) -> Iterator[Batch]:
        """Batches from `start` on, without end."""
        ...


def assemble(rendered: list[RenderedRow], position: Position, after: Position, name: str) -> Batch:
    """A batch of what rows became; raises DataError where nothing is left of them."""
    totals = {
        "num_truncated": sum(row.num_truncated for row in rendered),
        "num_dropped": sum(row.num_dropped for row in rendered),
        "num_skipped_rows": sum(row.num_skipped_rows for row in rendered),
    }
    counts = {key: count for key, count in totals.items() if count}
    datums = tuple(datum for row in rendered for datum in row.datums)
    if not datums:
        raise DataError(
            f"nothing is left of batch {position.batch} of epoch {position.epoch}: {counts}",
            file=name,
        )
    return Batch(datums=datums, position=position, after=after, counts=counts)
