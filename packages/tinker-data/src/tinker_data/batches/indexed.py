"""Batches of rows with random access, in a seeded order that differs by epoch.

Batch b of epoch e is a function of the rows, the seed, e and b alone. A row that is dropped moves
no other row into another batch. A position is therefore two numbers, and resuming costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Generic, TypeVar

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from tinker_core import ConfigError, DataError
from tinker_data.batches.batch import START, Batch, Batching, Position, assemble
from tinker_data.datums import RenderedRow
from tinker_data.rows import Rows

T = TypeVar("T")


@frozen(kw_only=True, eq=False)
class BatchedRows(Generic[T]):
    """Batches of rows with random access, rendered when they are needed."""

    rows: Rows[T]
    render: Callable[[T], RenderedRow]
    batching: Batching = field(factory=Batching)
    seed: int = 0
    name: str = "data"
    """The name of the data in error messages."""

    def __attrs_post_init__(self) -> None:
        if len(self.rows) < self.batching.batch_size:
            raise DataError(
                f"{len(self.rows)} rows are fewer than one batch: "
                f"batch_size is {self.batching.batch_size}",
                file=self.name,
            )

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        whole, rest = divmod(len(self.rows), self.batching.batch_size)
        return whole + (rest > 0 and not self.batching.drop_last)

    def batches(self, start: Position = START) -> Iterator[Batch]:
        """Batches from `start` on, without end; raises DataError for a batch without a datum."""
        return map(self.make, self.plans(start))

    def plans(self, start: Position = START) -> Iterator[Position]:
        """The positions of the batches from `start` on, without end."""
        if start.batch >= self.steps_per_epoch:
            raise ConfigError(f"an epoch has {self.steps_per_epoch} batches: there is no {start}")
        position = start
        while True:
            yield position
            position = self._after(position)

    def make(self, position: Position) -> Batch:
        """The batch at a position."""
        size = self.batching.batch_size
        order = epoch_order(len(self.rows), self.batching, self.seed, position.epoch)
        chosen = order[position.batch * size : (position.batch + 1) * size]
        rendered = [self.render(self.rows[int(index)]) for index in chosen]
        return assemble(rendered, position, self._after(position), self.name)

    def _after(self, position: Position) -> Position:
        if position.batch + 1 == self.steps_per_epoch:
            return Position(epoch=position.epoch + 1)
        return Position(epoch=position.epoch, batch=position.batch + 1)


@lru_cache(maxsize=2)
def epoch_order(num_rows: int, batching: Batching, seed: int, epoch: int) -> NDArray[np.int64]:
    """The order of the rows in an epoch, shape (num_rows,); read-only, because it is cached."""
    order = np.arange(num_rows)
    if batching.shuffle:
        order = np.random.default_rng([seed, epoch]).permutation(num_rows)
    order.flags.writeable = False
    return order
