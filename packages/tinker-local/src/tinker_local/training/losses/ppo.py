"""PPO's clipped surrogate."""

from __future__ import annotations

import torch
from attrs import frozen
from torch import Tensor

from tinker_local.training.losses.loss import Inputs
from tinker_local.training.losses.policy_gradient import ClippedLoss


@frozen(kw_only=True)
class Ppo(ClippedLoss):
    """-sum of min(r A, clip(r) A)."""

    name = "ppo"

    def token_losses(self, lp: Tensor, inputs: Inputs) -> Tensor:
        return self.surrogate(torch.exp(lp - inputs["logprobs"]), inputs["advantages"])
