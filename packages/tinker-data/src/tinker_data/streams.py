"""Sources that are read from front to back: compressed JSONL, Parquet, datasets that stream.

A stream cannot be shuffled in full. It is shuffled block by block: every `shuffle_block` rows are
put into an order of their own, which the seed, the epoch and the block's number decide. So memory
holds one block, and a position is found again by skipping whole blocks.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import zstandard
from attrs import evolve, field, frozen, validators

from tinker_core import DataError
from tinker_data.batches import START, Batch, Batching, Position, assemble
from tinker_data.datums import RenderedRow
from tinker_data.rows import Place, RawRow


@runtime_checkable
class RowStream(Protocol):
    """Rows from front to back, as often as one likes."""

    def read(self, start: int = 0) -> Iterator[RawRow]:
        """The rows from number `start` (from 0) on."""
        ...


@frozen
class JsonlStream:
    """A JSONL file, compressed or not, read line by line; blank lines are no rows."""

    path: Path

    def read(self, start: int = 0) -> Iterator[RawRow]:
        """The rows from `start` on; those before it are read over, not parsed."""
        try:
            lines = enumerate(_lines(self.path), start=1)
            rows = ((number, line) for number, line in lines if line.strip())
            for number, line in islice(rows, start, None):
                place = Place(file=str(self.path), row=number)
                yield RawRow(content=line, place=place)
        except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
            raise DataError(f"cannot be read: {error}", file=self.path) from error


@frozen
class ParquetStream:
    """A Parquet file, read one row group after the other; needs pyarrow."""

    path: Path

    def read(self, start: int = 0) -> Iterator[RawRow]:
        """The rows from `start` on; row groups before it are not read at all."""
        from pyarrow import ArrowException, parquet

        try:
            with parquet.ParquetFile(self.path) as file:
                for group in range(file.num_row_groups):
                    rows = file.metadata.row_group(group).num_rows
                    if start >= rows:
                        start -= rows
                        continue
                    yield from self._group(file, group, start)
                    start = 0
        except (OSError, ArrowException) as error:
            raise DataError(f"cannot be read: {error}", file=self.path) from error

    def _group(self, file: Any, group: int, start: int) -> Iterator[RawRow]:
        first = sum(file.metadata.row_group(i).num_rows for i in range(group))
        for i, value in enumerate(file.read_row_group(group).to_pylist()):
            if i >= start:
                place = Place(file=str(self.path), row=first + i + 1)
                yield RawRow(content=without_none(value), place=place)


@frozen
class IterableStream:
    """Anything that can be iterated over again; what can `skip`, as datasets can, is told to."""

    rows: Iterable[Any]
    name: str = "data"

    def read(self, start: int = 0) -> Iterator[RawRow]:
        """The rows from `start` on."""
        skip = getattr(self.rows, "skip", None)
        rows = islice(self.rows, start, None) if skip is None else skip(start)
        for number, value in enumerate(rows, start=start + 1):
            yield RawRow(content=without_none(value), place=Place(file=self.name, row=number))


@frozen(kw_only=True, eq=False)
class StreamedBatch:
    """The rows of a batch, not rendered yet."""

    rows: list[RawRow]
    position: Position


@frozen(kw_only=True, eq=False)
class StreamedRows:
    """Batches of a stream, shuffled block by block, rendered when their turn comes."""

    stream: RowStream
    render: Callable[[RawRow], RenderedRow]
    batching: Batching = field(factory=Batching)
    shuffle_block: int = field(default=10_000, validator=validators.ge(1))
    """Rows that are held in memory and shuffled among themselves."""
    first_row: int = 0
    """Rows before this one are not for training."""
    seed: int = 0
    name: str = "data"

    @property
    def steps_per_epoch(self) -> None:
        """Only reading the stream to its end would tell."""
        return None

    def batches(self, start: Position = START) -> Iterator[Batch]:
        """Batches from `start` on, without end; raises DataError for a stream without a batch."""
        return map(self.make, self.plans(start))

    def plans(self, start: Position = START) -> Iterator[StreamedBatch]:
        """What the batches from `start` on are made of, without end: the rows as they are read."""
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
        """Renders the rows of a batch, here or in a process that does not have the stream."""
        return partial(_made, render=self.render, name=self.name)

    def _chunks(self, epoch: int, start: int) -> Iterator[list[RawRow]]:
        """The epoch's rows in their order from the `start`-th on, by batch."""
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


def _made(planned: StreamedBatch, *, render: Callable[[RawRow], RenderedRow], name: str) -> Batch:
    after = evolve(planned.position, batch=planned.position.batch + 1)
    return assemble([render(row) for row in planned.rows], planned.position, after, name)


def without_none(value: Any) -> Any:
    """The value without keys whose value is None: tables give every row the keys of any."""
    if isinstance(value, dict):
        return {key: without_none(item) for key, item in value.items() if item is not None}
    return [without_none(item) for item in value] if isinstance(value, list) else value


def _lines(path: Path) -> Iterator[bytes]:
    if path.suffix == ".zst":
        yield from _zstd_lines(path)
        return
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        yield from file


def _zstd_lines(path: Path) -> Iterator[bytes]:
    """Raises EOFError for a file that was cut off, unlike the library's own reader."""
    frame = None
    rest = b""
    with path.open("rb") as file:
        while compressed := file.read(1 << 20):
            while compressed:
                frame = frame or zstandard.ZstdDecompressor().decompressobj()
                *lines, rest = (rest + frame.decompress(compressed)).split(b"\n")
                yield from (line + b"\n" for line in lines)
                compressed = frame.unused_data
                frame = None if frame.eof else frame
    if frame is not None:
        raise EOFError("the file ends in the middle of a frame")
    if rest:
        yield rest
