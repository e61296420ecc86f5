"""Reading safetensors files through memory maps."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from attrs import frozen
from safetensors import SafetensorError, safe_open

from tinker_core import DataError
from tinker_weights.tensor_file.dtypes import NUMPY_DTYPES, Array


class Tensor(Protocol):
    """A tensor that is read in blocks along its first axis."""

    @property
    def name(self) -> str: ...

    @property
    def dtype(self) -> str:
        """The name of the type in a safetensors header, such as BF16."""
        ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    def rows(self, start: int, stop: int) -> Array:
        """The values [start, stop) of the first axis; a scalar has one row."""
        ...


@frozen(kw_only=True)
class StoredTensor:
    """A tensor in a safetensors file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    offset: int
    """Of the first byte in the file."""

    def rows(self, start: int, stop: int) -> Array:
        if math.prod(self.shape) == 0:  # memory maps cannot be empty
            return np.empty(self.shape, NUMPY_DTYPES[self.dtype])[start:stop]
        values = np.memmap(
            self.file,
            dtype=NUMPY_DTYPES[self.dtype],
            mode="r",
            offset=self.offset,
            shape=self.shape or (1,),
        )
        return values[start:stop]


def read_tensors(file: Path) -> dict[str, StoredTensor]:
    """The tensors of a safetensors file by name. No values are read.

    Raises DataError for a file that is damaged, or holds a type that is not known here.
    """
    try:
        with safe_open(file, framework="np"):  # checks the header and the length of the file
            header, data_start = _read_header(file)
    except (OSError, SafetensorError) as error:
        raise DataError(f"not a readable safetensors file: {error}", file=file) from error
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        if entry["dtype"] not in NUMPY_DTYPES:
            raise DataError(f"type {entry['dtype']} is not supported", file=file, field=name)
        tensors[name] = StoredTensor(
            name=name,
            dtype=entry["dtype"],
            shape=tuple(entry["shape"]),
            file=file,
            offset=data_start + entry["data_offsets"][0],
        )
    return tensors


def _read_header(file: Path) -> tuple[dict[str, Any], int]:
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        return json.loads(stream.read(length)), 8 + length


def read_array(tensor: Tensor) -> Array:
    """All values of a tensor, as its own type."""
    return np.asarray(tensor.rows(0, tensor.shape[0] if tensor.shape else 1)).reshape(tensor.shape)


def load_file(file: Path) -> Mapping[str, Array]:
    """All tensors of a small file, in memory."""
    return {name: read_array(tensor) for name, tensor in read_tensors(file).items()}
