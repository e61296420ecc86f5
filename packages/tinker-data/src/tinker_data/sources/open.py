"""Where rows come from: files by their ending, the Hugging Face hub, and anything in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import frozen

from tinker_core import ConfigError, DataError
from tinker_data.rows import Place, RawRow, Rows
from tinker_data.sources.jsonl import open_jsonl
from tinker_data.sources.streams import (
    IterableStream,
    JsonlStream,
    ParquetStream,
    RowStream,
    without_none,
)

Source = Rows[RawRow] | RowStream


@frozen
class SequenceRows:
    """Rows in memory, or a `datasets.Dataset`, by number."""

    rows: Any
    """Has a length and gives the row of a number."""
    name: str = "data"

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> RawRow:
        place = Place(file=self.name, row=index + 1)
        return RawRow(content=without_none(self.rows[index]), place=place)


def open_file(path: Path) -> Source:
    """The rows of a file: .jsonl in any order, .jsonl.gz, .jsonl.zst and .parquet as a stream.

    Raises DataError for a file that is not there, ConfigError for another ending.
    """
    name = path.name
    if not path.is_file():
        raise DataError("there is no such file", file=path)
    if name.endswith((".jsonl", ".json", ".ndjson")):
        return open_jsonl(path)
    if name.endswith((".gz", ".zst")):
        return JsonlStream(path)
    if name.endswith(".parquet"):
        return ParquetStream(path)
    raise ConfigError(f"{path}: known endings: .jsonl, .jsonl.gz, .jsonl.zst, .parquet")


def open_hub(name: str, *, config: str | None, split: str, streaming: bool) -> Source:
    """A dataset of the Hugging Face hub, or of a folder; needs `datasets`.

    Raises DataError, which names it, where it cannot be had.
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

    Raises DataError for an iterator, which could be read once only.
    """
    if hasattr(rows, "__len__") and hasattr(rows, "__getitem__"):
        return SequenceRows(rows, name)
    if iter(rows) is rows:
        raise DataError("an iterator is used up after one epoch; give what makes it", file=name)
    return IterableStream(rows, name)
