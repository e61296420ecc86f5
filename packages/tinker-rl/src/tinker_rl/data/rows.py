"""Rows of problem and prompt files: checked once, then read by number in an order of the seed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinker_core import DataError
from tinker_data import RawRow, Rows, RowStream, open_file, read_all
from tinker_data.rows import as_mapping


def open_rows(path: Path, check: Callable[[RawRow], object]) -> Rows[RawRow]:
    """The rows of a JSONL or Parquet file, compressed or not, by number.

    Every row is read once and given to `check`. The rows of a .jsonl file are not kept in memory.
    Raises DataError for a file without rows.
    """
    source = open_file(path)
    rows: Rows[RawRow] = list(source.read()) if isinstance(source, RowStream) else source
    for row in rows if isinstance(rows, list) else read_all(source):
        check(row)
    if not len(rows):
        raise DataError("the file has no rows", file=path)
    return rows


def text_of(row: RawRow, name: str) -> str:
    """The text in a field; a number becomes text. Raises DataError with file, row and field."""
    value = as_mapping(row).get(name)
    if not isinstance(value, str | int | float):
        raise row.place.error(DataError(f"must be text, not {value!r:.80}", field=name))
    return str(value)


def shuffled(count: int, seed: int) -> NDArray[np.int64]:
    """The numbers below `count` in the order of the seed, shape (count,)."""
    return np.random.default_rng([seed, count]).permutation(count)
