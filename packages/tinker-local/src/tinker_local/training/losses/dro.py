"""Direct reward optimisation (Richemond et al. 2024, arXiv:2405.19107)."""

from __future__ import annotations

from attrs import frozen
from torch import Tensor

from tinker_local.training.losses.loss import Inputs, Loss


@frozen(kw_only=True)
class Dro(Loss):
    """-sum of (lp A - beta/2 (lp - q)^2)."""

    name = "dro"
    inputs = ("logprobs", "advantages")
    beta: float = 0.05
    """The value of the documentation's example. The documentation states no default."""

    def token_losses(self, lp: Tensor, inputs: Inputs) -> Tensor:
        drift = lp - inputs["logprobs"]
        return -(lp * inputs["advantages"] - 0.5 * self.beta * drift.square()).sum(-1)

    def trains(self, inputs: Inputs) -> Tensor:
        """All sampled tokens. Prompt tokens have advantage 0 and logprob 0, and do not train."""
        return (inputs["advantages"] != 0).any(-1) | (inputs["logprobs"] != 0).any(-1)
