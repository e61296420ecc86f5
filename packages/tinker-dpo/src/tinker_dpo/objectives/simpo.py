"""Simple preference optimisation: Meng et al. 2024, arXiv:2405.14734, eq. 6.

The loss is -log s(beta (chosen - rejected) - margin), of mean log-probabilities.
"""

from __future__ import annotations

from attrs import field, frozen

from tinker_core.validators import non_negative, positive
from tinker_dpo.objectives.logistic import log_sigmoid, sigmoid
from tinker_dpo.objectives.objective import PairObjective
from tinker_dpo.objectives.scores import PairLoss, Sides


@frozen(kw_only=True)
class SimPo(PairObjective):
    """Simple preference optimisation, without a reference (arXiv:2405.14734)."""

    beta: float = field(default=2.0, validator=positive)
    """Scale of the difference of mean log-probabilities."""
    margin: float = field(default=1.0, validator=non_negative)
    """The paper's gamma: target margin of the chosen response."""
    needs_reference = False
    length_normalised = True

    def loss(self, policy: Sides, reference: Sides) -> PairLoss:
        """The implied reward is beta times the score."""
        rewards = policy * self.beta
        logits = rewards.difference - self.margin
        return PairLoss.of_difference(-log_sigmoid(logits), -self.beta * sigmoid(-logits), rewards)
