"""Base classes for losses of sampled tokens."""

from __future__ import annotations

from typing import ClassVar

import torch
from attrs import frozen
from torch import Tensor

from tinker_local.training.losses.loss import Inputs, Loss


@frozen(kw_only=True)
class PolicyGradientLoss(Loss):
    """A loss whose gradient is zero where the advantage is."""

    inputs: ClassVar[tuple[str, ...]] = ("logprobs", "advantages")

    def trains(self, inputs: Inputs) -> Tensor:
        return (inputs["advantages"] != 0).any(-1)


@frozen(kw_only=True)
class ClippedLoss(PolicyGradientLoss):
    """A loss that clips the ratio. The thresholds bound the ratio itself, not its distance to 1."""

    clip_low_threshold: float = 0.8
    clip_high_threshold: float = 1.2

    def __attrs_post_init__(self) -> None:
        low, high = self.clip_low_threshold, self.clip_high_threshold
        if low > high:
            raise ValueError(f"clip_low_threshold {low} > clip_high_threshold {high}")

    def clip(self, ratio: Tensor) -> Tensor:
        """The ratio within the thresholds."""
        return ratio.clamp(self.clip_low_threshold, self.clip_high_threshold)

    def surrogate(self, ratio: Tensor, advantages: Tensor) -> Tensor:
        """The pessimistic loss (R,) of PPO (Schulman et al. 2017, arXiv:1707.06347, eq. 7)."""
        return -torch.minimum(ratio * advantages, self.clip(ratio) * advantages).sum(-1)
