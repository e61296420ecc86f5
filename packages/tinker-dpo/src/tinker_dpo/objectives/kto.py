"""Kahneman-Tversky optimisation: Ethayarajh et al. 2024, arXiv:2402.01306, eq. 8.

With r = log(policy / reference) of a response and z0 the KL to the reference, the loss of a
desirable response is w - w s(beta (r - z0)), that of an undesirable one w - w s(beta (z0 - r)). z0
is the mean of r over mismatched responses, at least 0; no gradient goes through it.
"""

from __future__ import annotations

import numpy as np
from attrs import field, frozen

from tinker_core.validators import positive
from tinker_dpo.objectives.logistic import sigmoid
from tinker_dpo.objectives.objective import JudgedObjective
from tinker_dpo.objectives.scores import JudgedLoss, JudgedScores


@frozen(kw_only=True)
class Kto(JudgedObjective):
    """Kahneman-Tversky optimisation, of responses that are judged one by one (arXiv:2402.01306)."""

    beta: float = field(default=0.1, validator=positive)
    """Strength of the KL penalty to the reference."""
    desirable_weight: float = field(default=1.0, validator=positive)
    """The paper's lambda_D: weight of a desirable response."""
    undesirable_weight: float = field(default=1.0, validator=positive)
    """The paper's lambda_U: weight of an undesirable response."""
    needs_reference = True
    length_normalised = False

    def loss(self, scores: JudgedScores) -> JudgedLoss:
        """The metric `reference_point` is z0, in nats."""
        log_ratio_P = scores.policy - scores.reference
        mismatched_Q = scores.mismatched_policy - scores.mismatched_reference
        reference_point = max(0.0, float(np.mean(mismatched_Q)))
        sign_P = np.where(scores.desirable, 1.0, -1.0)
        weight_P = np.where(scores.desirable, self.desirable_weight, self.undesirable_weight)
        value_P = sigmoid(sign_P * self.beta * (log_ratio_P - reference_point))
        return JudgedLoss(
            loss=weight_P * (1 - value_P),
            dscore=-weight_P * sign_P * self.beta * value_P * (1 - value_P),
            reward=self.beta * log_ratio_P,
            threshold=self.beta * reference_point,
            metrics={"reference_point": reference_point},
        )
