"""The policy gradient with importance weights."""

from __future__ import annotations

import torch
from attrs import frozen
from torch import Tensor

from tinker_local.training.losses.loss import Inputs
from tinker_local.training.losses.policy_gradient import PolicyGradientLoss


@frozen(kw_only=True)
class ImportanceSampling(PolicyGradientLoss):
    """-sum of r A."""

    name = "importance_sampling"

    def token_losses(self, lp: Tensor, inputs: Inputs) -> Tensor:
        ratio = torch.exp(lp - inputs["logprobs"])
        return -(ratio * inputs["advantages"]).sum(-1)
