"""Sources that are read from front to back: compressed JSONL, Parquet, datasets that stream."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import zstandard
from attrs import evolve, frozen

from tinker_core import ConfigError, DataError, Fingerprint
from tinker_data.rows import Place, RawRow
from tinker_data.sources.arrow import clean_row, without_nulls
from tinker_data.sources.fingerprint import SAMPLE, of_file, of_values


@runtime_checkable
class RowStream(Protocol):
    """Rows that are read from front to back, any number of times."""

    def read(self, start: int = 0) -> Iterator[RawRow]:
        """The rows from number `start` (from 0) on."""
        ...


@frozen
class JsonlStream:
    """A JSONL file, compressed or not, read line by line; blank lines are not rows."""

    path: Path

    def read(self, start: int = 0) -> Iterator[RawRow]:
        """The rows from `start` on; earlier ones are skipped without parsing."""
        try:
            lines = enumerate(_lines(self.path), start=1)
            rows = ((number, line) for number, line in lines if line.strip())
            for number, line in islice(rows, start, None):
                place = Place(file=str(self.path), row=number)
                yield RawRow(content=line, place=place)
        except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
            raise DataError(f"cannot be read: {error}", file=self.path) from error

    def fingerprint(self) -> Fingerprint:
        """Size and SHA-256 of the file."""
        return of_file(self.path)


@frozen
class ParquetStream:
    """A Parquet file, read one row group after the other; needs pyarrow."""

    path: Path

    def read(self, start: int = 0) -> Iterator[RawRow]:
        """The rows from `start` on; earlier row groups are not read."""
        parquet, arrow = _pyarrow(self.path)
        try:
            with parquet.ParquetFile(self.path) as file:
                for group in range(file.num_row_groups):
                    rows = file.metadata.row_group(group).num_rows
                    if start >= rows:
                        start -= rows
                        continue
                    yield from self._group(file, group, start)
                    start = 0
        except (OSError, arrow.ArrowException) as error:
            raise DataError(f"cannot be read: {error}", file=self.path) from error

    def fingerprint(self) -> Fingerprint:
        """Size, number of rows and SHA-256 of the file."""
        parquet, arrow = _pyarrow(self.path)
        try:
            with parquet.ParquetFile(self.path) as file:
                num_rows = file.metadata.num_rows
        except (OSError, arrow.ArrowException) as error:
            raise DataError(f"cannot be read: {error}", file=self.path) from error
        return of_file(self.path, num_rows)

    def _group(self, file: Any, group: int, start: int) -> Iterator[RawRow]:
        first = sum(file.metadata.row_group(i).num_rows for i in range(group))
        values = file.read_row_group(group).to_pylist(maps_as_pydicts="strict")
        for i, value in enumerate(values):
            if i >= start:
                place = Place(file=str(self.path), row=first + i + 1)
                yield RawRow(content=without_nulls(value), place=place)


@frozen
class IterableStream:
    """Anything that can be iterated over more than once; `skip` is used if there is one."""

    rows: Iterable[Any]
    name: str = "data"

    def read(self, start: int = 0) -> Iterator[RawRow]:
        """The rows from `start` on."""
        skip = getattr(self.rows, "skip", None)
        rows = islice(self.rows, start, None) if skip is None else skip(start)
        for number, value in enumerate(rows, start=start + 1):
            place = Place(file=self.name, row=number)
            yield RawRow(content=clean_row(value, self.rows), place=place)

    def fingerprint(self) -> Fingerprint:
        """The SHA-256 of the first rows; the number of rows is unknown."""
        first = [row.content for row in islice(self.read(), SAMPLE)]
        return evolve(of_values(first, self.name), num_rows=None)


def _pyarrow(path: Path) -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        problem = f"{path}: reading Parquet needs `pip install tinker-data[parquet]`"
        raise ConfigError(problem) from error
    return parquet, pyarrow


def _lines(path: Path) -> Iterator[bytes]:
    if path.suffix == ".zst":
        yield from _zstd_lines(path)
        return
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        yield from file


def _zstd_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file. Raises EOFError for one that was cut off; zstandard's own does not."""
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
