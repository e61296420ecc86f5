"""GSPO-token (Zheng et al. 2025, arXiv:2507.18071)."""

from __future__ import annotations

import torch
from attrs import frozen
from torch import Tensor

from tinker_local.training.losses.loss import Inputs
from tinker_local.training.losses.policy_gradient import ClippedLoss


@frozen(kw_only=True)
class Gspo(ClippedLoss):
    """PPO with one ratio for a sequence: exp of the mean of lp - q over `sequence_ratio_mask`.

    The default thresholds are PPO's, because the documentation states none.
    """

    name = "gspo"
    inputs = ("logprobs", "advantages", "sequence_ratio_mask")
    nonzero_inputs = ("sequence_ratio_mask",)
    level = "sequence"

    def token_losses(self, lp: Tensor, inputs: Inputs) -> Tensor:
        counted = (inputs["sequence_ratio_mask"] != 0).to(lp.dtype)
        fixed = lp.detach()
        mean = (counted * (fixed - inputs["logprobs"])).sum() / counted.sum()
        ratio = torch.exp(mean) * torch.exp(lp - fixed)
        return self.surrogate(ratio, inputs["advantages"])
