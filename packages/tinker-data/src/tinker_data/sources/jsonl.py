"""JSONL files by row number: an index of where lines begin, and the lines read when asked for.

The index takes 16 bytes a row, whatever the rows hold, so a file need not fit into memory and is
shuffled in full all the same.
"""

from __future__ import annotations

from array import array
from pathlib import Path

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from tinker_core import DataError
from tinker_data.rows import Place, RawRow


@frozen(eq=False)
class JsonlRows:
    """The rows of a JSONL file; blank lines are none."""

    path: Path
    offsets: NDArray[np.int64]
    """Where each row begins, in bytes, shape (n,)."""
    lines: NDArray[np.int64]
    """The number of each row's line, from 1, shape (n,)."""

    def __len__(self) -> int:
        return len(self.offsets)

    def __getitem__(self, index: int) -> RawRow:
        place = Place(file=str(self.path), row=int(self.lines[index]))
        with self.path.open("rb") as file:
            file.seek(int(self.offsets[index]))
            return RawRow(content=file.readline(), place=place)


def open_jsonl(path: Path) -> JsonlRows:
    """Index a JSONL file; raises DataError for a file that is not there or has no rows."""
    offsets, lines = array("q"), array("q")
    try:
        with path.open("rb") as file:
            at = 0
            for number, line in enumerate(file, start=1):
                if line.strip():
                    offsets.append(at)
                    lines.append(number)
                at += len(line)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", file=path) from error
    if not offsets:
        raise DataError("the file has no rows", file=path)
    return JsonlRows(path, np.asarray(offsets), np.asarray(lines))
