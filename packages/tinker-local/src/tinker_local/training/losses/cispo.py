"""CISPO (MiniMax-M1, arXiv:2506.13585)."""

from __future__ import annotations

import torch
from attrs import frozen
from torch import Tensor

from tinker_local.training.losses.loss import Inputs
from tinker_local.training.losses.policy_gradient import ClippedLoss


@frozen(kw_only=True)
class Cispo(ClippedLoss):
    """-sum of stop_gradient(clip(r)) lp A: the policy gradient, weighted by the clipped ratio."""

    name = "cispo"
    clip_low_threshold: float = 0.0
    clip_high_threshold: float = 4.0

    def token_losses(self, lp: Tensor, inputs: Inputs) -> Tensor:
        ratio = torch.exp(lp.detach() - inputs["logprobs"])
        return -(self.clip(ratio) * lp * inputs["advantages"]).sum(-1)
