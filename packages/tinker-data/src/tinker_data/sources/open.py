"""Open sources: files by their ending, datasets of the Hugging Face hub, rows in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import frozen

from tinker_core import ConfigError, DataError, Fingerprint
from tinker_data.rows import Place, RawRow, Rows
from tinker_data.sources.arrow import clean_row
from tinker_data.sources.fingerprint import of_values
from tinker_data.sources.json_array import is_json_array, open_json_array
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
        """Number of rows and the SHA-256 of all of them."""
        return of_values(self.rows, self.name)


def open_file(path: Path) -> Source:
    """The rows of a file: .jsonl and .json with random access, .gz, .zst and .parquet as a stream.

    A .json file may also be one array of rows; it is read into memory. Raises DataError for a
    missing file, ConfigError for another ending.
    """
    name = path.name
    if not path.is_file():
        raise DataError("there is no such file", file=path)
    if name.endswith(".json") and is_json_array(path):
        return open_json_array(path)
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
