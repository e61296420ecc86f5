"""Sources that are read from front to back: compressed JSONL, Parquet, datasets that stream."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import zstandard
from attrs import frozen

from tinker_core import DataError
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
