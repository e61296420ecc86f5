"""Identity preference optimisation: Azar et al. 2023, arXiv:2310.12036, eq. 17.

With h as in DPO, the loss is (h - 1 / (2 beta))^2.
"""

from __future__ import annotations

from attrs import field, frozen

from tinker_core.validators import positive
from tinker_dpo.objectives.objective import PairObjective
from tinker_dpo.objectives.scores import PairLoss, Sides


@frozen(kw_only=True)
class Ipo(PairObjective):
    """Identity preference optimisation (arXiv:2310.12036)."""

    beta: float = field(default=0.1, validator=positive)
    """The paper's tau: the margin is pulled to 1 / (2 beta)."""
    length_normalised: bool = False
    """Take the mean over tokens as the score; the paper has the sum."""
    needs_reference = True

    def loss(self, policy: Sides, reference: Sides) -> PairLoss:
        """The implied reward is that of DPO."""
        moved = policy - reference
        excess = moved.difference - 1 / (2 * self.beta)
        return PairLoss.of_difference(excess**2, 2 * excess, moved * self.beta)
