"""Odds-ratio preference optimisation: Hong et al. 2024, arXiv:2403.07691, eq. 6.

The loss is -chosen - weight log s(log odds ratio), of mean log-probabilities. Its first term is
supervised learning of the chosen response.
"""

from __future__ import annotations

from attrs import field, frozen

from tinker_core.validators import positive
from tinker_dpo.objectives.bradley_terry import odds_ratio_loss
from tinker_dpo.objectives.objective import PairObjective
from tinker_dpo.objectives.scores import PairLoss, Sides


@frozen(kw_only=True)
class Orpo(PairObjective):
    """Odds-ratio preference optimisation, without a reference (arXiv:2403.07691)."""

    weight: float = field(default=0.1, validator=positive)
    """The paper's lambda: weight of the odds ratio beside supervised learning."""
    needs_reference = False
    length_normalised = True

    def loss(self, policy: Sides, reference: Sides) -> PairLoss:
        """The implied reward is the score times the weight."""
        ratio = odds_ratio_loss(policy)
        return PairLoss(
            loss=-policy.chosen + self.weight * ratio.loss,
            dchosen=-1 + self.weight * ratio.dchosen,
            drejected=self.weight * ratio.drejected,
            rewards=policy * self.weight,
        )
