"""Direct preference optimisation: Rafailov et al. 2023, arXiv:2305.18290, eq. 7.

With h = how much further apart the policy holds a pair than the reference, and s the logistic
function, the loss is -(1 - e) log s(beta h) - e log s(-beta h). Label smoothing e: Mitchell 2023,
"A note on DPO with noisy preferences & relationship to IPO".
"""

from __future__ import annotations

from attrs import field, frozen, validators

from tinker_core.validators import positive
from tinker_dpo.objectives.logistic import log_sigmoid, sigmoid
from tinker_dpo.objectives.objective import PairObjective
from tinker_dpo.objectives.scores import PairLoss, Sides


@frozen(kw_only=True)
class Dpo(PairObjective):
    """Direct preference optimisation (arXiv:2305.18290)."""

    beta: float = field(default=0.1, validator=positive)
    """Strength of the KL penalty to the reference."""
    label_smoothing: float = field(default=0.0, validator=[validators.ge(0.0), validators.lt(0.5)])
    """Share of the pairs whose label is assumed to be wrong."""
    length_normalised: bool = False
    """Take the mean over tokens as the score, as in Tulu 3 (arXiv:2411.15124), not the sum."""
    needs_reference = True

    def loss(self, policy: Sides, reference: Sides) -> PairLoss:
        """The implied reward is beta log(policy / reference) (eq. 5)."""
        rewards = (policy - reference) * self.beta
        logits, smoothing = rewards.difference, self.label_smoothing
        return PairLoss.of_difference(
            loss=-(1 - smoothing) * log_sigmoid(logits) - smoothing * log_sigmoid(-logits),
            slope=self.beta * (smoothing * sigmoid(logits) - (1 - smoothing) * sigmoid(-logits)),
            rewards=rewards,
        )
