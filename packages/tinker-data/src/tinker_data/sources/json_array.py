"""JSON files that are one array of rows, held in memory as the text of each row."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from tinker_core import DataError, Fingerprint
from tinker_data.rows import Place, RawRow
from tinker_data.sources.fingerprint import of_file

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[][{},]', re.DOTALL)


@frozen(eq=False)
class JsonArrayRows:
    """The elements of the array. A row that is not JSON makes no other row unusable."""

    path: Path
    texts: list[bytes]

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int) -> RawRow:
        return RawRow(content=self.texts[index], place=Place(file=str(self.path), row=index + 1))

    def fingerprint(self) -> Fingerprint:
        """Size, number of rows and SHA-256 of the file."""
        return of_file(self.path, len(self))


def is_json_array(path: Path) -> bool:
    """True if the first character of the file opens an array."""
    with path.open("rb") as file:
        return file.read(4096).removeprefix(BOM_UTF8).lstrip().startswith(b"[")


def open_json_array(path: Path) -> JsonArrayRows:
    """Split the file into rows. Raises DataError if it has none, or if the array does not end."""
    texts = list(_elements(path.read_bytes().removeprefix(BOM_UTF8), path))
    if not texts or (len(texts) == 1 and not texts[0].strip()):
        raise DataError("the file has no rows", file=path)
    return JsonArrayRows(path, texts)


def _elements(text: bytes, path: Path) -> Iterator[bytes]:
    """The text between the commas of the outer array."""
    depth = start = 0
    for token in _TOKEN.finditer(text):
        kind = token[0]
        if kind in (b"[", b"{"):
            depth += 1
            start = token.end() if depth == 1 else start
        elif kind == b"," and depth == 1:
            yield text[start : token.start()]
            start = token.end()
        elif kind in (b"]", b"}"):
            depth -= 1
            if depth == 0:
                yield text[start : token.start()]
                if text[token.end() :].strip():
                    raise DataError("not JSON: text behind the array", file=path)
                return
    raise DataError("not JSON: the array does not end", file=path)
