"""Open sources: files by their ending, datasets of the Hugging Face hub, rows in memory."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from tinker_core import ConfigError, DataError, Fingerprint
from tinker_core.strict_json import JsonError, parse_json
from tinker_data.rows import Place, RawRow, Rows
from tinker_data.sources.arrow import clean_row
from tinker_data.sources.fingerprint import SAMPLE, of_values
from tinker_data.sources.jsonl import JsonlRows, open_jsonl
from tinker_data.sources.streams import IterableStream, JsonlStream, ParquetStream, RowStream

Source = Rows[RawRow] | RowStream


@frozen
class SequenceRows:
    """Rows of a list or of a `datasets.Dataset`."""

    rows: Any
    """Rows with random access, not converted yet."""
    name: str = "data"

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> RawRow:
        place = Place(file=self.name, row=index + 1)
        return RawRow(content=clean_row(self.rows[index], self.rows), place=place)

    def fingerprint(self) -> Fingerprint:
        """Number of rows, and the SHA-256 of rows at even distances."""
        step = max(1, len(self) // SAMPLE)
        sample = (self.rows[i] for i in range(0, len(self), step))
        return evolve(of_values(sample, self.name), num_rows=len(self))


def open_file(path: Path) -> Source:
    """The rows of a file: .jsonl and .json with random access, .gz, .zst and .parquet as a stream.

    A .json file may also be one array of rows; it is read into memory. Raises DataError for a
    missing file, ConfigError for another ending.
    """
    name = path.name
    if not path.is_file():
        raise DataError("there is no such file", file=path)
    if name.endswith(".json") and _is_array(path):
        return SequenceRows(_array(path), str(path))
    if name.endswith((".jsonl", ".json", ".ndjson")):
        return open_jsonl(path)
    if name.endswith((".gz", ".zst")):
        return JsonlStream(path)
    if name.endswith(".parquet"):
        return ParquetStream(path)
    raise ConfigError(f"{path}: known endings: .jsonl, .jsonl.gz, .jsonl.zst, .parquet")


def open_hub(name: str, *, config: str | None, split: str, streaming: bool) -> Source:
    """A dataset of the Hugging Face hub, or of a folder; needs `datasets`.

    Raises DataError with its name if it cannot be loaded.
    """
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise ConfigError(f"{name}: reading it needs `pip install tinker-data[hub]`") from error
    label = f"{name}[{split}]"
    try:
        dataset = load_dataset(name, config, split=split, streaming=streaming)
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be loaded: {error}", file=label) from error
    return as_source(dataset, label)


def as_source(rows: Any, name: str = "data") -> Source:
    """Rows of any kind: a list, a `datasets.Dataset` or `IterableDataset`, any iterable.

    Raises DataError for an iterator, which can be read only once.
    """
    if hasattr(rows, "__len__") and hasattr(rows, "__getitem__"):
        return SequenceRows(rows, name)
    if iter(rows) is rows:
        raise DataError("an iterator is used up after one epoch; give an iterable", file=name)
    return IterableStream(rows, name)


def read_all(source: Source) -> Iterator[RawRow]:
    """All rows of a source in their order."""
    if isinstance(source, RowStream):
        yield from source.read()
    elif isinstance(source, JsonlRows):
        yield from JsonlStream(source.path).read()  # opens the file once, not for every row
    else:
        for i in range(len(source)):
            yield source[i]


def _is_array(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4096).removeprefix(BOM_UTF8).lstrip().startswith(b"[")


def _array(path: Path) -> list[Any]:
    try:
        rows = parse_json(path.read_bytes().removeprefix(BOM_UTF8))
    except JsonError as error:
        raise DataError(str(error), file=path) from error
    if not rows:
        raise DataError("the file has no rows", file=path)
    return list(rows)
