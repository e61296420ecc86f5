"""Integers of 4 or 8 bits packed into int32 (the `pack-quantized` format of compressed-tensors)."""

from __future__ import annotations

import numpy as np
from attrs import frozen

from tinker_core import ConfigError
from tinker_weights.tensor_file.dtypes import Array
from tinker_weights.tensor_file.reader import StoredTensor, read_array


@frozen(kw_only=True)
class PackedTensor:
    """A matrix (outputs, inputs) of symmetric integers with a scale for each group of inputs.

    An int32 holds 32 / bits neighbours of one row, the first in the lowest bits, each shifted by
    half of its range so that it is not negative.
    """

    name: str
    packed: StoredTensor
    scale: StoredTensor
    shape: tuple[int, ...]
    bits: int
    dtype: str = "BF16"

    @classmethod
    def open(
        cls,
        name: str,
        packed: StoredTensor,
        scale: StoredTensor,
        shape: StoredTensor,
        *,
        bits: int,
    ) -> PackedTensor:
        if bits not in (4, 8) or len(packed.shape) != 2:
            raise ConfigError(
                f"{name}: {bits}-bit weights of shape {packed.shape} in int32 are not supported"
            )
        full = tuple(int(size) for size in read_array(shape))
        return cls(name=name, packed=packed, scale=scale, shape=full, bits=bits)

    def rows(self, start: int, stop: int) -> Array:
        packed = self.packed.rows(start, stop).view(np.uint32)
        shifts = np.arange(0, 32, self.bits, dtype=np.uint32)
        integers = (packed[..., None] >> shifts) & np.uint32((1 << self.bits) - 1)
        inputs = self.shape[1]
        values = integers.reshape(len(packed), -1)[:, :inputs].astype(np.float32)
        values -= 1 << (self.bits - 1)
        scale = self.scale.rows(start, stop).astype(np.float32)
        group = -(-inputs // scale.shape[1])
        return values * np.repeat(scale, group, axis=1)[:, :inputs]
