"""Batches of a stream, shuffled block by block.

A stream cannot be shuffled completely. Every block of `shuffle_block` rows is shuffled by the seed,
the epoch and the number of the block. Memory holds one block, and resuming skips whole blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice

import numpy as np
from attrs import evolve, field, frozen, validators

from tinker_core import DataError
from tinker_data.batches.batch import START, Batch, Batching, Position, assemble, without_empty
from tinker_data.datums import RenderedRow
from tinker_data.rows import RawRow
from tinker_data.sources.streams import RowStream


@frozen(kw_only=True, eq=False)
class StreamedBatch:
    """The rows of a batch, not rendered yet."""

    rows: list[RawRow]
    position: Position


@frozen(kw_only=True, eq=False)
class StreamedRows:
    """Batches of a stream, shuffled block by block, rendered when they are needed."""

    stream: RowStream
    render: Callable[[RawRow], RenderedRow]
    batching: Batching = field(factory=Batching)
    shuffle_block: int = field(default=10_000, validator=validators.ge(1))
    """Number of rows that are held in memory and shuffled together."""
    first_row: int = 0
    """Number of the first row for training."""
    seed: int = 0
    name: str = "data"

    @property
    def steps_per_epoch(self) -> None:
        """None: only reading the stream to its end would tell."""
        return None

    def batches(self, start: Position = START) -> Iterator[Batch]:
        """Batches from `start` on, without end; those without a datum are passed over.

        Raises DataError for fewer rows than one batch.
        """
        return without_empty(map(self.make, self.plans(start)), self.name)

    def plans(self, start: Position = START) -> Iterator[StreamedBatch]:
        """The rows of the batches from `start` on, without end, as they are read."""
        epoch, number = start.epoch, start.batch
        while True:
            any_batch = number > 0
            for rows in self._chunks(epoch, number * self.batching.batch_size):
                yield StreamedBatch(rows=rows, position=Position(epoch=epoch, batch=number))
                number, any_batch = number + 1, True
            if not any_batch:
                raise DataError(
                    f"fewer rows than one batch: batch_size is {self.batching.batch_size}",
                    file=self.name,
                )
            epoch, number = epoch + 1, 0

    @property
    def make(self) -> Callable[[StreamedBatch], Batch]:
        """Renders the rows of a batch, in this process or in another one without the stream."""
        return partial(_made, render=self.render)

    def _chunks(self, epoch: int, start: int) -> Iterator[list[RawRow]]:
        """The rows of each batch of the epoch, from row `start` on."""
        rows = self._rows(epoch, start)
        size = self.batching.batch_size
        while chunk := list(islice(rows, size)):
            too_few = len(chunk) < size and (self.batching.drop_last or start == 0)
            if not too_few:
                yield chunk
            start += size

    def _rows(self, epoch: int, start: int) -> Iterator[RawRow]:
        block, skip = divmod(start, self.shuffle_block)
        rows = self.stream.read(self.first_row + block * self.shuffle_block)
        while held := list(islice(rows, self.shuffle_block)):
            order = np.arange(len(held))
            if self.batching.shuffle:
                order = np.random.default_rng([self.seed, epoch, block]).permutation(len(held))
            for index in order[skip:]:
                yield held[int(index)]
            block, skip = block + 1, 0


def _made(planned: StreamedBatch, *, render: Callable[[RawRow], RenderedRow]) -> Batch:
    after = evolve(planned.position, batch=planned.position.batch + 1)
    return assemble([render(row) for row in planned.rows], planned.position, after)
