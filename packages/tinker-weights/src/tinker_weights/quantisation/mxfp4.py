"""MXFP4 (OCP Microscaling Formats, version 1.0): float4 in blocks of 32 that share an exponent."""

from __future__ import annotations

import numpy as np
from attrs import frozen

from tinker_weights.tensor_file.dtypes import Array
from tinker_weights.tensor_file.reader import StoredTensor

_FLOAT4 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6], np.float32)
"""E2M1: a sign bit, two of exponent, one of mantissa."""
_BIAS = 127


@frozen
class Mxfp4Tensor:
    """Experts' weights as gpt-oss stores them, read in the layout of its bfloat16 checkpoint.

    `blocks` is (experts, outputs, inputs / 32, 16) of uint8, two values each, the low bits first;
    `scales` is (experts, outputs, inputs / 32). The plain tensor is (experts, inputs, outputs).
    """

    name: str
    blocks: StoredTensor
    scales: StoredTensor
    dtype: str = "BF16"

    @property
    def shape(self) -> tuple[int, ...]:
        experts, outputs, groups, size = self.blocks.shape
        return experts, groups * size * 2, outputs

    def rows(self, start: int, stop: int) -> Array:
        packed = self.blocks.rows(start, stop)
        values = np.stack([_FLOAT4[packed & 15], _FLOAT4[packed >> 4]], axis=-1)
        exponent = self.scales.rows(start, stop).astype(np.int32) - _BIAS
        scaled: Array = np.ldexp(values.reshape(*packed.shape[:3], -1), exponent[..., None])
        return scaled.reshape(*packed.shape[:2], -1).swapaxes(1, 2)
