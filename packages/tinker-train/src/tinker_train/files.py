"""Files that a kill cannot damage: written whole or not at all, or JSONL that only grows."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tinker_core import RunDirectoryError

logger = logging.getLogger(__name__)


def write_whole(path: Path, text: str) -> None:
    """Write the file so that a reader finds the old content or the new, never a part of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")  # as readable as any other file
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
    """Add one line of JSON and wait until the disk has it. NaN and infinity become null."""
    line = json.dumps({key: _finite(value) for key, value in row.items()}, ensure_ascii=False)
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSONL file, none where there is no file.

    A last line without its line end was torn by a kill: it is left out with a warning. Anything
    else that is not a JSON object raises RunDirectoryError.
    """
    if not path.exists():
        return []
    *lines, torn = path.read_text(encoding="utf-8", errors="replace").split("\n")
    if torn:
        logger.warning("%s:%d: torn last line left out: %.60s", path, len(lines) + 1, torn)
    return [_row(path, number, line) for number, line in enumerate(lines, start=1)]


def keep_rows(path: Path, keep: Callable[[Mapping[str, Any]], bool]) -> None:
    """Rewrite a JSONL file with the rows that `keep` holds for; a torn last line goes too."""
    if path.exists():
        rows = [row for row in read_rows(path) if keep(row)]
        write_whole(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _row(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise RunDirectoryError(f"{path}:{number}: damaged: {error}") from error
    if not isinstance(row, dict):
        raise RunDirectoryError(f"{path}:{number}: not a JSON object: {line:.60}")
    return row


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
