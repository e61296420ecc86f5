"""JSONL files: one JSON object per line.

Lines end at a line feed and nowhere else: U+2028, U+2029 and U+0085 are ordinary characters of a
JSON string. Files are UTF-8; a byte order mark at their beginning is accepted.
"""

from __future__ import annotations

import gzip
import logging
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tinker_core.errors import DataError
from tinker_core.strict_json import JsonError, parse_json

logger = logging.getLogger(__name__)

Row = tuple[int, dict[str, Any]]
"""The number of a line, from 1, and its object."""


def read_jsonl(path: Path, *, drop_torn_line: bool = False) -> Iterator[Row]:
    """The rows of a JSONL file, also of a .gz file; blank lines count but are not rows.

    With `drop_torn_line` a last line without a line feed, which a killed writer leaves behind, is
    dropped with a warning. Raises DataError with file and row for any other line that is not a JSON
    object, and for a file that cannot be read.
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as lines:
            yield from parse_jsonl(lines, file=path, drop_torn_line=drop_torn_line)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot be read: {error}", file=path) from error


def parse_jsonl(
    lines: Iterable[bytes], *, file: str | Path | None = None, drop_torn_line: bool = False
) -> Iterator[Row]:
    """The rows in lines of bytes, which keep their line feeds; see `read_jsonl`."""
    for number, line in enumerate(lines, start=1):
        if drop_torn_line and not line.endswith(b"\n"):
            logger.warning("%s:%d: torn last line dropped: %.60r", file, number, line)
        elif line.strip():
            yield number, parse_line(line, file=file, row=number)


def parse_line(line: bytes, *, file: str | Path | None = None, row: int) -> dict[str, Any]:
    """The object in the line of that number. Raises DataError."""
    text = line.removeprefix(BOM_UTF8) if row == 1 else line
    try:
        value = parse_json(text)
    except JsonError as error:
        raise DataError(f"{error}: {shown(text)}", file=file, row=row) from error
    if not isinstance(value, dict):
        raise DataError(f"a row is a JSON object, not {shown(text)}", file=file, row=row)
    return value


def shown(line: bytes) -> str:
    """The beginning of a line, for an error message."""
    return f"{line[:240].decode('utf-8', 'replace').strip():.60}"
