"""The loss of a reward model: Bradley and Terry 1952; Ouyang et al. 2022, arXiv:2203.02155, eq. 1.

The reward r of a response is the log-odds of its score, and the loss is
-log s(r(chosen) - r(rejected) - margin). Margin: Touvron et al. 2023, arXiv:2307.09288, eq. 2.
"""

from __future__ import annotations

from attrs import field, frozen, validators

from tinker_core.validators import non_negative
from tinker_dpo.objectives.logistic import dlog_odds, log_odds, log_sigmoid, sigmoid
from tinker_dpo.objectives.objective import RewardObjective
from tinker_dpo.objectives.scores import PairLoss, Sides


@frozen(kw_only=True)
class BradleyTerry(RewardObjective):
    """The loss of a reward model (arXiv:2203.02155, eq. 1).

    The reward of a response is the log-odds of one label, which answers a question about it.
    """

    margin: float = field(default=0.0, validator=non_negative)
    """Target margin of the chosen response's reward."""
    question: str = "Is this a good answer?"
    """The user's message after the response."""
    label: str = field(default="Yes", validator=validators.min_len(1))
    """The reply of the model to a good response."""
    needs_reference = False
    length_normalised = False

    def loss(self, policy: Sides, reference: Sides) -> PairLoss:
        """The reward is the log-odds of a score."""
        return odds_ratio_loss(policy, margin=self.margin)


def odds_ratio_loss(policy: Sides, *, margin: float = 0.0) -> PairLoss:
    """-log s(log odds ratio - margin) of the chosen and the rejected response."""
    rewards = Sides(chosen=log_odds(policy.chosen), rejected=log_odds(policy.rejected))
    logits = rewards.difference - margin
    slope = -sigmoid(-logits)
    return PairLoss(
        loss=-log_sigmoid(logits),
        dchosen=slope * dlog_odds(policy.chosen),
        drejected=-slope * dlog_odds(policy.rejected),
        rewards=rewards,
    )
