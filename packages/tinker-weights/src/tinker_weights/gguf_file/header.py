"""The names of the tensors in a GGUF file (version 3 of the format: github.com/ggml-org/ggml,
docs/gguf.md).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO, Any

from tinker_core import DataError

_SIZES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""struct's letter for each type of metadata that is a number."""
_STRING, _ARRAY = 8, 9


def tensor_names(file: Path) -> set[str]:
    """Read the header. Raises DataError for what is no GGUF file."""
    with file.open("rb") as stream:
        if stream.read(4) != b"GGUF":
            raise DataError("is not a GGUF file", file=file)
        _, tensors, metadata = _read(stream, "IQQ")
        for _ in range(metadata):
            _string(stream)
            _skip(stream, *_read(stream, "I"))
        names = set()
        for _ in range(tensors):
            names.add(_string(stream).decode())
            (axes,) = _read(stream, "I")
            stream.seek(8 * axes + 4 + 8, 1)  # the shape, the type and the offset
        return names


def _skip(stream: IO[bytes], kind: int) -> None:
    if kind == _STRING:
        _string(stream)
    elif kind == _ARRAY:
        inner, count = _read(stream, "IQ")
        if inner in _SIZES:
            stream.seek(struct.calcsize(_SIZES[inner]) * count, 1)
        else:
            for _ in range(count):
                _skip(stream, inner)
    else:
        stream.seek(struct.calcsize(_SIZES[kind]), 1)


def _string(stream: IO[bytes]) -> bytes:
    (length,) = _read(stream, "Q")
    return stream.read(length)


def _read(stream: IO[bytes], layout: str) -> tuple[Any, ...]:
    return struct.unpack(f"<{layout}", stream.read(struct.calcsize(f"<{layout}")))
