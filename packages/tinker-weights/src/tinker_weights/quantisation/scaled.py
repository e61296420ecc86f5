"""Weights of 8 bits with a scale for the tensor, for each row, or for each block."""

from __future__ import annotations

import numpy as np
from attrs import field, frozen

from tinker_core import ConfigError
from tinker_weights.tensor_file.dtypes import Array
from tinker_weights.tensor_file.reader import StoredTensor, read_array


@frozen
class ScaledTensor:
    """`weight * scale`, where one scale covers a block of the last two axes."""

    weight: StoredTensor
    scale: StoredTensor = field()
    block: tuple[int, int] | None
    """Rows and columns that share a scale; None: the shape of the scale tells."""
    dtype: str = "BF16"

    @scale.validator
    def _fits(self, _: object, scale: StoredTensor) -> None:
        if len(scale.shape) > len(self.weight.shape):
            raise ConfigError(
                f"{scale.name} has shape {scale.shape}, {self.weight.name} {self.weight.shape}"
            )

    @property
    def name(self) -> str:
        return self.weight.name

    @property
    def shape(self) -> tuple[int, ...]:
        return self.weight.shape

    def rows(self, start: int, stop: int) -> Array:
        weight = self.weight.rows(start, stop).astype(np.float32)
        scale = read_array(self.scale).astype(np.float32)
        if scale.size == 1:
            return weight * scale.reshape(())
        scale = scale.reshape(*scale.shape, *[1] * (weight.ndim - scale.ndim))
        if weight.ndim > 2:  # the first axis counts experts
            scale = scale[start:stop]
            return weight * self._expanded(self._expanded(scale, -1), -2)
        return weight * self._expanded(self._expanded(scale, -1), -2)[start:stop]

    def _expanded(self, scale: Array, axis: int) -> Array:
        """The scale with one entry for each row (axis -2) or column (axis -1) of the weight."""
        length, have = self.weight.shape[axis], scale.shape[axis]
        if have in (1, length):
            return scale
        size = -(-length // have) if self.block is None else self.block[axis]
        if -(-length // size) != have:
            raise ConfigError(
                f"{self.scale.name} has shape {self.scale.shape}, which does not cover "
                f"{self.weight.name} {self.weight.shape} in blocks of {size}"
            )
        expanded = np.repeat(scale, size, axis=axis)
        return expanded[..., :length] if axis == -1 else expanded[..., :length, :]
