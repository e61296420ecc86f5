"""Files that survive a kill: atomic writes, and JSONL that is only appended to."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tinker_core import DataError, RunDirectoryError
from tinker_core.jsonl import read_jsonl


def atomic_write(path: Path, text: str) -> None:
    """Replace a file in one step: a reader finds the old content or the new, never a part of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")  # with the default permissions
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Append one line of JSON and flush it to disk. NaN and infinities become null."""
    with path.open("a", encoding="utf-8") as file:
        file.write(_line(_finite(row)))
        file.flush()
        os.fsync(file.fileno())


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSONL file; none if there is no file.

    A last line without a line feed, which a killed writer leaves behind, is dropped with a warning.
    Raises RunDirectoryError for any other line that is not a JSON object.
    """
    if not path.exists():
        return []
    try:
        return [row for _, row in read_jsonl(path, drop_torn_line=True)]
    except DataError as error:
        raise RunDirectoryError(str(error)) from error


def keep_rows(path: Path, keep: Callable[[Mapping[str, Any]], bool]) -> None:
    """Rewrite a JSONL file with the rows for which `keep` is true, without a torn last line."""
    if path.exists():
        atomic_write(path, "".join(_line(row) for row in read_rows(path) if keep(row)))


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
