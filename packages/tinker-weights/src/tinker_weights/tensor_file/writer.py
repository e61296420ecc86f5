"""Writing safetensors files tensor by tensor.

The library's own writer takes a dictionary of all tensors. A shard of a large model does not fit
into memory twice, so the header is written first, from the shapes, and the values follow in blocks.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from attrs import field, frozen

from tinker_weights.tensor_file.dtypes import NUMPY_DTYPES, Array

_ALIGNMENT = 8  # of the values, as the library writes them


@frozen(kw_only=True)
class TensorToWrite:
    """A tensor and the blocks of rows that make up its values."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    blocks: Iterable[Array] = field(repr=False)
    """In order; together they have `shape`. Each is cast to `dtype`."""

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * NUMPY_DTYPES[self.dtype].itemsize


def write_file(file: Path, tensors: list[TensorToWrite]) -> None:
    """Write the tensors and wait until the disk has them. Consumes their blocks."""
    # The largest items first, as the library does: every tensor begins at a multiple of its size.
    ordered = sorted(tensors, key=lambda t: (-NUMPY_DTYPES[t.dtype].itemsize, t.name))
    with file.open("wb") as stream:
        stream.write(_header(ordered))
        for tensor in ordered:
            written = sum(stream.write(_raw(block)) for block in _cast(tensor))
            if written != tensor.nbytes:
                raise ValueError(f"{tensor.name}: {written} bytes, expected {tensor.nbytes}")
        stream.flush()
        os.fsync(stream.fileno())


def _header(tensors: list[TensorToWrite]) -> bytes:
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for tensor in tensors:
        end = offset + tensor.nbytes
        entries[tensor.name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def _cast(tensor: TensorToWrite) -> Iterator[Array]:
    dtype = NUMPY_DTYPES[tensor.dtype]
    for block in tensor.blocks:
        yield np.ascontiguousarray(block if block.dtype == dtype else block.astype(dtype))


def _raw(block: Array) -> memoryview:
    return block.reshape(-1).view(np.uint8).data
