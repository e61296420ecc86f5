"""AdamW over one flat vector of weights, as `torch.optim.AdamW` defines it (arXiv:1711.05101)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tinker_local.errors import RequestError
from tinker_local.request_types import AdamParams


class Optimizer:
    """The moments of one adapter, and its accumulated gradient."""

    def __init__(self, weights: Tensor) -> None:
        self._weights = torch.nn.Parameter(weights, requires_grad=True)
        self.gradient = torch.zeros_like(weights)
        """Accumulated since the last step."""
        self.exp_avg = torch.zeros_like(weights)
        self.exp_avg_sq = torch.zeros_like(weights)
        self.steps = torch.zeros((), device=weights.device)
        self._has_gradient = False
        self._adamw = torch.optim.AdamW([self._weights], fused=True)
        self._adamw.state[self._weights] = {
            "step": self.steps,
            "exp_avg": self.exp_avg,
            "exp_avg_sq": self.exp_avg_sq,
        }

    def accumulate(self, gradient: Tensor) -> None:
        """Gradient accumulation: add to the gradient of the next step."""
        self.gradient.add_(gradient)
        self._has_gradient = True

    def zero_grad(self) -> None:
        """Drop the accumulated gradient."""
        self.gradient.zero_()
        self._has_gradient = False

    def step(self, params: AdamParams) -> dict[str, float]:
        """One step with the accumulated gradient, which is dropped afterwards.

        RequestError, with the weights unchanged, when no gradient was accumulated (momentum would
        still move the weights) or the gradient is not finite.
        """
        if not self._has_gradient:
            raise RequestError(
                "optim_step without a gradient: no forward_backward succeeded since the last step"
            )
        norm = float(torch.linalg.vector_norm(self.gradient, dtype=torch.float64))
        if not math.isfinite(norm):
            self.zero_grad()
            raise RequestError(f"the gradient norm is {norm}: the accumulated gradient was dropped")
        if params.grad_clip_norm > 0:
            # The rule of torch.nn.utils.clip_grad_norm_, with its epsilon.
            self.gradient.mul_(min(1.0, params.grad_clip_norm / (norm + 1e-6)))
        self._adamw.param_groups[0].update(
            lr=params.learning_rate,
            betas=(params.beta1, params.beta2),
            eps=params.eps,
            weight_decay=params.weight_decay,
        )
        self._weights.grad = self.gradient
        self._adamw.step()
        self.zero_grad()
        return {"grad_norm": norm}

    def reset(self) -> None:
        """The initial state: no step and no gradient."""
        for tensor in (self.exp_avg, self.exp_avg_sq, self.steps):
            tensor.zero_()
        self.zero_grad()
