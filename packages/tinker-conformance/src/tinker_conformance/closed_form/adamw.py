"""AdamW (arXiv:1711.05101) with gradient clipping by the global norm, in numpy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from attrs import define, field
from numpy.typing import NDArray
from tinker import types

Tensors = dict[str, NDArray[np.float64]]


def global_norm(gradient: Mapping[str, NDArray[np.float64]]) -> float:
    """The Euclidean norm over all tensors together."""
    return float(np.sqrt(sum((g**2).sum() for g in gradient.values())))


@define(eq=False)
class AdamW:
    """The moments of an optimizer."""

    first: Tensors = field(factory=dict)
    second: Tensors = field(factory=dict)
    steps: int = 0

    def step(self, weights: Tensors, gradient: Tensors, params: types.AdamParams) -> Tensors:
        """The weights after one step."""
        self.steps += 1
        norm, clip = global_norm(gradient), params.grad_clip_norm
        scale = clip / norm if 0 < clip < norm else 1.0
        return {
            name: self._moved(name, value, gradient[name] * scale, params)
            for name, value in weights.items()
        }

    def _moved(
        self,
        name: str,
        value: NDArray[np.float64],
        gradient: NDArray[np.float64],
        params: types.AdamParams,
    ) -> NDArray[np.float64]:
        beta1, beta2 = params.beta1, params.beta2
        self.first[name] = beta1 * self.first.get(name, 0.0) + (1 - beta1) * gradient
        self.second[name] = beta2 * self.second.get(name, 0.0) + (1 - beta2) * gradient**2
        mean = self.first[name] / (1 - beta1**self.steps)
        root = np.sqrt(self.second[name] / (1 - beta2**self.steps))
        decayed = value * (1 - params.learning_rate * params.weight_decay)
        moved: NDArray[np.float64] = decayed - params.learning_rate * mean / (root + params.eps)
        return moved
