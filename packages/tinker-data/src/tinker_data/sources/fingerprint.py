"""The fingerprints of sources."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from tinker_core import DataError, Fingerprint
from tinker_core.strict_json import JsonError, to_json

SAMPLE = 1000
"""Rows that stand for a stream that is not a file."""
_CHUNK = 1 << 20


@runtime_checkable
class Fingerprinted(Protocol):
    """A source that knows its fingerprint."""

    def fingerprint(self) -> Fingerprint:
        """The fingerprint of the content at this moment."""
        ...


def of_file(path: Path, num_rows: int | None = None) -> Fingerprint:
    """The fingerprint of a file. Raises DataError for one that cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
            num_bytes = file.tell()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", file=path) from error
    return Fingerprint(
        name=str(path), num_bytes=num_bytes, num_rows=num_rows, digest=digest.hexdigest()
    )


def of_values(values: Iterable[Any], name: str) -> Fingerprint:
    """The fingerprint of values in memory; values that are not JSON count by their `repr`."""
    digest, num_rows = hashlib.sha256(), 0
    for value in values:
        try:
            text = to_json(value)
        except JsonError:
            text = repr(value)
        digest.update(text.encode("utf-8", "replace") + b"\n")
        num_rows += 1
    return Fingerprint(name=name, num_rows=num_rows, digest=digest.hexdigest())


def fingerprints(source: object) -> tuple[Fingerprint, ...]:
    """The fingerprints of a source, or of the sources that it consists of."""
    parts = getattr(source, "parts", None)
    if parts is not None:
        return tuple(each for part in parts for each in fingerprints(part))
    return (source.fingerprint(),) if isinstance(source, Fingerprinted) else ()
