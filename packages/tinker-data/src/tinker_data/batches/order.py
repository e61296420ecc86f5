"""The order of batches: which rows are in the batch at a position.

Batch b of epoch e is a function of the number of rows, the seed, e and b alone. A position is
therefore two numbers, and resuming costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from tinker_core import ConfigError, DataError
from tinker_data.batches.batch import START, Batching, Position


@frozen(kw_only=True)
class BatchOrder:
    """The rows of each batch, in a seeded order that differs by epoch.

    Raises DataError if the rows do not fill one batch.
    """

    num_rows: int
    batching: Batching = field(factory=Batching)
    seed: int = 0
    name: str = "data"
    """The name of the data in error messages."""

    def __attrs_post_init__(self) -> None:
        if self.num_rows < self.batching.batch_size:
            raise DataError(
                f"{self.num_rows} rows are fewer than one batch: "
                f"batch_size is {self.batching.batch_size}",
                file=self.name,
            )

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        whole, rest = divmod(self.num_rows, self.batching.batch_size)
        return whole + (rest > 0 and not self.batching.drop_last)

    def positions(self, start: Position = START) -> Iterator[Position]:
        """The positions of the batches from `start` on, without end.

        Raises ConfigError for a start beyond the end of its epoch.
        """
        if start.batch >= self.steps_per_epoch:
            raise ConfigError(f"an epoch has {self.steps_per_epoch} batches: there is no {start}")
        position = start
        while True:
            yield position
            position = self.after(position)

    def rows(self, position: Position) -> list[int]:
        """The indices of the rows in the batch at a position."""
        size = self.batching.batch_size
        order = _epoch_order(self.num_rows, self.batching, self.seed, position.epoch)
        chosen: list[int] = order[position.batch * size : (position.batch + 1) * size].tolist()
        return chosen

    def after(self, position: Position) -> Position:
        """The position of the next batch."""
        if position.batch + 1 == self.steps_per_epoch:
            return Position(epoch=position.epoch + 1)
        return Position(epoch=position.epoch, batch=position.batch + 1)


@lru_cache(maxsize=2)
def _epoch_order(num_rows: int, batching: Batching, seed: int, epoch: int) -> NDArray[np.int64]:
    """The order of the rows in an epoch, shape (num_rows,); read-only, because it is cached."""
    order = np.arange(num_rows)
    if batching.shuffle:
        order = np.random.default_rng([seed, epoch]).permutation(num_rows)
    order.flags.writeable = False
    return order
