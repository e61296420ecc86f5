"""Weighted cross-entropy, with hard or soft targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from attrs import frozen
from torch import Tensor

from tinker_local.training.losses.loss import Inputs, Loss


@frozen(kw_only=True)
class CrossEntropy(Loss):
    """-sum of w lp, with weights w of any sign."""

    name = "cross_entropy"
    optional_inputs: ClassVar[Mapping[str, float]] = {"weights": 1.0}
    soft_targets = True

    def token_losses(self, lp: Tensor, inputs: Inputs) -> Tensor:
        return -(inputs["weights"] * lp).sum(-1)

    def trains(self, inputs: Inputs) -> Tensor:
        return (inputs["weights"] != 0).any(-1)
