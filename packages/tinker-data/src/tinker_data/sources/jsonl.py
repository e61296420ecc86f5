"""JSONL files with random access: an index of the lines, which are read when they are needed.

The index has 16 bytes per row, so a file need not fit into memory and is still shuffled completely.
"""

from __future__ import annotations

from array import array
from pathlib import Path

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from tinker_core import DataError, Fingerprint
from tinker_data.rows import Place, RawRow
from tinker_data.sources.fingerprint import of_file


@frozen(eq=False)
class JsonlRows:
    """The rows of a JSONL file; blank lines are not rows."""

    path: Path
    offsets: NDArray[np.int64]
    """The position of each row in bytes, shape (n,)."""
    lines: NDArray[np.int64]
    """The number of the line of each row, from 1, shape (n,)."""

    def __len__(self) -> int:
        return len(self.offsets)

    def __getitem__(self, index: int) -> RawRow:
        place = Place(file=str(self.path), row=int(self.lines[index]))
        with self.path.open("rb") as file:
            file.seek(int(self.offsets[index]))
            return RawRow(content=file.readline(), place=place)

    def fingerprint(self) -> Fingerprint:
        """Size, number of rows and SHA-256 of the file."""
        return of_file(self.path, len(self))


def open_jsonl(path: Path) -> JsonlRows:
    """Index a JSONL file; raises DataError for a file that is missing or has no rows."""
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
