"""The preference losses as functions of sequence scores, with their derivatives in closed form.

A score is what a model says of a whole response: the log-probability of its tokens summed, or their
mean where the paper normalises by length. Which of the two it is, the caller decides; the formulas
are the same. Everything has shape (P,), one entry a pair, and nothing is reduced over pairs.

    dpo             Rafailov et al. 2023, arXiv:2305.18290, eq. 7; label smoothing: Mitchell 2023,
                    "A note on DPO with noisy preferences & relationship to IPO"
    ipo             Azar et al. 2023, arXiv:2310.12036, eq. 17
    simpo           Meng et al. 2024, arXiv:2405.14734, eq. 6
    orpo            Hong et al. 2024, arXiv:2403.07691, eq. 6
    bradley_terry   Bradley and Terry 1952; as a reward model's loss: Ouyang et al. 2022,
                    arXiv:2203.02155, eq. 1; with a margin: Touvron et al. 2023,
                    arXiv:2307.09288, eq. 2
    kto             Ethayarajh et al. 2024, arXiv:2402.01306, eq. 8
"""

from __future__ import annotations

import numpy as np
from attrs import field, frozen
from numpy.typing import ArrayLike, NDArray

from tinker_core import DataError

Array = NDArray[np.float64]

# A response of probability one has infinite odds. Float32 log-probabilities cannot tell one closer
# to it than this.
_LAST_LOGPROB = -1e-7


def _column(values: ArrayLike) -> Array:
    return np.asarray(values, dtype=np.float64)


@frozen(kw_only=True, eq=False)
class Sides:
    """Scores of the chosen and the rejected response of P pairs, each of shape (P,)."""

    chosen: Array = field(converter=_column)
    rejected: Array = field(converter=_column)

    def __attrs_post_init__(self) -> None:
        if self.chosen.ndim != 1 or self.chosen.shape != self.rejected.shape:
            raise DataError(
                f"pairs need two columns of one length, not {self.chosen.shape} chosen "
                f"and {self.rejected.shape} rejected scores"
            )

    @property
    def difference(self) -> Array:
        """Chosen minus rejected, shape (P,)."""
        return self.chosen - self.rejected


@frozen(kw_only=True, eq=False)
class PairLoss:
    """Losses of P pairs, their derivatives by the policy's scores, and the rewards they imply."""

    loss: Array
    dchosen: Array
    drejected: Array
    rewards: Sides


def dpo(
    policy: Sides, reference: Sides, *, beta: float = 0.1, label_smoothing: float = 0.0
) -> PairLoss:
    """-(1 - e) log s(b h) - e log s(-b h), h being how far the policy moved the pair apart.

    `label_smoothing` e is the share of pairs whose label is taken to be wrong.
    """
    logits = beta * (policy.difference - reference.difference)
    loss = -(1 - label_smoothing) * log_sigmoid(logits) - label_smoothing * log_sigmoid(-logits)
    slope = beta * (label_smoothing * sigmoid(logits) - (1 - label_smoothing) * sigmoid(-logits))
    return _of_difference(loss, slope, _implied_rewards(policy, reference, beta))


def ipo(policy: Sides, reference: Sides, *, beta: float = 0.1) -> PairLoss:
    """(h - 1 / (2 b))^2: the margin is pulled to a finite value; b is the paper's tau."""
    excess = policy.difference - reference.difference - 1 / (2 * beta)
    return _of_difference(excess**2, 2 * excess, _implied_rewards(policy, reference, beta))


def simpo(policy: Sides, *, beta: float = 2.0, margin: float = 1.0) -> PairLoss:
    """-log s(b (chosen - rejected) - margin), of length-normalised scores; `margin` is gamma."""
    logits = beta * policy.difference - margin
    rewards = Sides(chosen=beta * policy.chosen, rejected=beta * policy.rejected)
    return _of_difference(-log_sigmoid(logits), -beta * sigmoid(-logits), rewards)


def orpo(policy: Sides, *, weight: float = 0.1) -> PairLoss:
    """-chosen - w log s(log odds ratio), of length-normalised scores; `weight` w is lambda.

    The first term is supervised learning of the chosen response.
    """
    ratio = bradley_terry(policy)
    rewards = Sides(chosen=weight * policy.chosen, rejected=weight * policy.rejected)
    return PairLoss(
        loss=-policy.chosen + weight * ratio.loss,
        dchosen=-1 + weight * ratio.dchosen,
        drejected=weight * ratio.drejected,
        rewards=rewards,
    )


def bradley_terry(policy: Sides, *, margin: float = 0.0) -> PairLoss:
    """-log s(r(chosen) - r(rejected) - margin) with r the log-odds of a score, see `log_odds`."""
    rewards = Sides(chosen=log_odds(policy.chosen), rejected=log_odds(policy.rejected))
    logits = rewards.difference - margin
    slope = -sigmoid(-logits)
    return PairLoss(
        loss=-log_sigmoid(logits),
        dchosen=slope * _dlog_odds(policy.chosen),
        drejected=-slope * _dlog_odds(policy.rejected),
        rewards=rewards,
    )


@frozen(kw_only=True, eq=False)
class UnpairedLoss:
    """Losses of P judged responses, and their derivatives by the policy's scores."""

    loss: Array
    dscore: Array
    reward: Array
    reference_point: float
    """The paper's z0, in nats: the KL to the reference, from which a reward is a gain or a loss."""


@frozen(kw_only=True)
class KtoWeights:
    """How much a good and a bad response count; the paper's lambda_D and lambda_U."""

    desirable: float = 1.0
    undesirable: float = 1.0


def kto(
    log_ratio: ArrayLike,
    mismatched_log_ratio: ArrayLike,
    desirable: ArrayLike,
    *,
    beta: float = 0.1,
    weights: KtoWeights = KtoWeights(),
) -> UnpairedLoss:
    """w - w s(b (r - z0)) for a desirable response, w - w s(b (z0 - r)) for an undesirable one.

    `log_ratio` r is the policy's score minus the reference's, shape (P,), `desirable` is true or
    false, shape (P,). z0 is the mean of `mismatched_log_ratio`, the same of responses that belong
    to other prompts, and at least zero; no gradient goes through it.
    """
    log_ratio_P, good_P = _column(log_ratio), np.asarray(desirable, dtype=bool)
    reference_point = max(0.0, float(np.mean(_column(mismatched_log_ratio))))
    sign_P = np.where(good_P, 1.0, -1.0)
    weight_P = np.where(good_P, weights.desirable, weights.undesirable)
    logits_P = sign_P * beta * (log_ratio_P - reference_point)
    value_P = sigmoid(logits_P)
    return UnpairedLoss(
        loss=weight_P * (1 - value_P),
        dscore=-weight_P * sign_P * beta * value_P * (1 - value_P),
        reward=beta * log_ratio_P,
        reference_point=reference_point,
    )


def log_sigmoid(x: ArrayLike) -> Array:
    """log(1 / (1 + exp(-x))) without overflow."""
    return np.asarray(-np.logaddexp(0.0, -_column(x)))


def sigmoid(x: ArrayLike) -> Array:
    """1 / (1 + exp(-x)) without overflow."""
    return np.asarray(np.exp(log_sigmoid(x)))


def log_odds(logprob: ArrayLike) -> Array:
    """log(p / (1 - p)) of a log-probability."""
    logprob = np.minimum(_column(logprob), _LAST_LOGPROB)
    return np.asarray(logprob - np.log(-np.expm1(logprob)))


def _dlog_odds(logprob: Array) -> Array:
    """1 / (1 - p)."""
    return np.asarray(-1 / np.expm1(np.minimum(logprob, _LAST_LOGPROB)))


def _implied_rewards(policy: Sides, reference: Sides, beta: float) -> Sides:
    """beta log(policy / reference), the reward of which the policy is the optimum (DPO, eq. 5)."""
    return Sides(
        chosen=beta * (policy.chosen - reference.chosen),
        rejected=beta * (policy.rejected - reference.rejected),
    )


def _of_difference(loss: Array, slope: Array, rewards: Sides) -> PairLoss:
    """A loss of chosen minus rejected alone, `slope` being its derivative by that."""
    return PairLoss(loss=loss, dchosen=slope, drejected=-slope, rewards=rewards)
