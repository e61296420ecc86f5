"""What a preference run minimises, as data, and its value and gradient on a batch.

An objective scores each response (its log-probability, summed over its tokens or averaged), gives
the scores to a formula of `objectives.losses`, and brings the derivatives back to the tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from attrs import field, frozen, validators
from numpy.typing import NDArray

from tinker_core import ConfigError
from tinker_dpo.objectives import losses
from tinker_dpo.objectives.losses import KtoWeights, PairLoss, Sides

Array = NDArray[np.float64]

_positive = validators.gt(0.0)


@frozen(kw_only=True)
class Dpo:
    """Direct preference optimisation (arXiv:2305.18290)."""

    beta: float = field(default=0.1, validator=_positive)
    """How strongly the policy is held to the reference."""
    label_smoothing: float = field(default=0.0, validator=[validators.ge(0.0), validators.lt(0.5)])
    """Share of the pairs that are taken to be labelled the wrong way round."""
    length_normalised: bool = False
    """Whether a score is the mean over tokens, as in Tulu 3 (arXiv:2411.15124), not the sum."""


@frozen(kw_only=True)
class Ipo:
    """Identity preference optimisation (arXiv:2310.12036)."""

    beta: float = field(default=0.1, validator=_positive)
    """The paper's tau: the margin is pulled to 1 / (2 beta)."""
    length_normalised: bool = False
    """Whether a score is the mean over tokens; the paper has the sum."""


@frozen(kw_only=True)
class SimPo:
    """Simple preference optimisation, without a reference (arXiv:2405.14734)."""

    beta: float = field(default=2.0, validator=_positive)
    """Scale of the difference of mean log-probabilities."""
    margin: float = field(default=1.0, validator=validators.ge(0.0))
    """The paper's gamma: by how much the chosen response is to win."""


@frozen(kw_only=True)
class Orpo:
    """Odds-ratio preference optimisation, without a reference (arXiv:2403.07691)."""

    weight: float = field(default=0.1, validator=_positive)
    """The paper's lambda: weight of the odds ratio beside supervised learning."""


@frozen(kw_only=True)
class BradleyTerry:
    """A reward model's loss (arXiv:2203.02155, eq. 1).

    The reward of a response is the log-odds of one label, which answers a question about it.
    """

    margin: float = field(default=0.0, validator=validators.ge(0.0))
    """By how much the chosen response's reward is to be higher."""
    question: str = "Is this a good answer?"
    """What the user asks after the response."""
    label: str = field(default="Yes", validator=validators.min_len(1))
    """What the model says of a good one."""


@frozen(kw_only=True)
class Kto:
    """Kahneman-Tversky optimisation, of responses that are judged one by one (arXiv:2402.01306)."""

    beta: float = field(default=0.1, validator=_positive)
    """How strongly the policy is held to the reference."""
    desirable_weight: float = field(default=1.0, validator=_positive)
    """Weight of a good response."""
    undesirable_weight: float = field(default=1.0, validator=_positive)
    """Weight of a bad one."""


PairObjective = Dpo | Ipo | SimPo | Orpo | BradleyTerry
Objective = PairObjective | Kto


def needs_reference(objective: Objective) -> bool:
    """Whether the loss compares the policy with a frozen reference."""
    return isinstance(objective, Dpo | Ipo | Kto)


def is_length_normalised(objective: Objective) -> bool:
    """Whether a response's score is the mean over its tokens instead of their sum."""
    if isinstance(objective, Dpo | Ipo):
        return objective.length_normalised
    return isinstance(objective, SimPo | Orpo)


@frozen(kw_only=True, eq=False)
class TokenLoss:
    """The value of an objective on a batch, and its derivative by every token's log-probability."""

    loss: float
    """Mean over the batch."""
    trained: Sequence[Response]
    """What has a gradient, in the order in which it was given."""
    slopes: Array
    """The derivative by each token's log-probability, one for all tokens of a response, shape (D,).

    A score is a sum or a mean over the response, so its tokens count alike, and no others do.
    """
    metrics: Mapping[str, float]

    @property
    def dlogprobs(self) -> list[Array]:
        """The same token by token, each of shape (N,) as the log-probabilities of its response."""
        return [r.mask * slope for r, slope in zip(self.trained, self.slopes, strict=True)]


@frozen(kw_only=True, eq=False)
class Response:
    """One response under the policy: N predicted tokens, some of which are the response."""

    logprobs: Array
    """Log-probability of each target under the policy, shape (N,)."""
    mask: Array
    """1 where the target belongs to the response, else 0, shape (N,)."""
    reference: float = 0.0
    """Sum of the response's log-probabilities under the reference; 0 where there is none."""

    @property
    def total(self) -> float:
        """Sum of the response's log-probabilities under the policy."""
        return float(self.mask @ self.logprobs)

    @property
    def num_tokens(self) -> float:
        """How many tokens the response has."""
        return float(self.mask.sum())


def pair_loss(objective: PairObjective, pairs: Sequence[tuple[Response, Response]]) -> TokenLoss:
    """The mean loss of pairs (chosen, rejected); `trained` alternates between the two."""
    chosen, rejected = zip(*pairs, strict=True)
    mean = is_length_normalised(objective)
    policy = Sides(chosen=_scores(chosen, mean), rejected=_scores(rejected, mean))
    reference = Sides(chosen=_references(chosen, mean), rejected=_references(rejected, mean))
    value = _of_pairs(objective, policy, reference)
    trained = [response for pair in pairs for response in pair]
    slopes_D = np.stack([value.dchosen, value.drejected], axis=1).reshape(-1) / len(pairs)
    return TokenLoss(
        loss=float(value.loss.mean()),
        trained=trained,
        slopes=slopes_D / [r.num_tokens for r in trained] if mean else slopes_D,
        metrics=_pair_metrics(value, chosen, rejected),
    )


def kto_loss(
    objective: Kto,
    responses: Sequence[Response],
    mismatched: Sequence[Response],
    desirable: Sequence[bool],
) -> TokenLoss:
    """The mean loss of judged responses.

    `mismatched` are responses to other prompts, from which the distance to the reference is taken.
    """
    weights = KtoWeights(
        desirable=objective.desirable_weight, undesirable=objective.undesirable_weight
    )
    value = losses.kto(
        [response.total - response.reference for response in responses],
        [response.total - response.reference for response in mismatched],
        desirable,
        beta=objective.beta,
        weights=weights,
    )
    good_P = np.asarray(desirable, dtype=bool)
    metrics = {
        "accuracy": float(
            np.mean((value.reward > objective.beta * value.reference_point) == good_P)
        ),
        "kl_to_reference": value.reference_point,
        "num_desirable": float(good_P.sum()),
    }
    for name, mask_P in (("chosen_reward", good_P), ("rejected_reward", ~good_P)):
        if mask_P.any():
            metrics[name] = float(value.reward[mask_P].mean())
    return TokenLoss(
        loss=float(value.loss.mean()),
        trained=responses,
        slopes=value.dscore / len(responses),
        metrics=metrics,
    )


def _of_pairs(objective: PairObjective, policy: Sides, reference: Sides) -> PairLoss:
    match objective:
        case Dpo(beta=beta, label_smoothing=smoothing):
            return losses.dpo(policy, reference, beta=beta, label_smoothing=smoothing)
        case Ipo(beta=beta):
            return losses.ipo(policy, reference, beta=beta)
        case SimPo(beta=beta, margin=margin):
            return losses.simpo(policy, beta=beta, margin=margin)
        case Orpo(weight=weight):
            return losses.orpo(policy, weight=weight)
        case BradleyTerry(margin=margin):
            return losses.bradley_terry(policy, margin=margin)
    raise ConfigError(f"{objective!r} is not an objective of pairs")


def _scores(responses: Sequence[Response], mean: bool) -> Array:
    return np.array([r.total / (r.num_tokens if mean else 1.0) for r in responses])


def _references(responses: Sequence[Response], mean: bool) -> Array:
    return np.array([r.reference / (r.num_tokens if mean else 1.0) for r in responses])


def _pair_metrics(
    value: PairLoss, chosen: Sequence[Response], rejected: Sequence[Response]
) -> dict[str, float]:
    margins_P = value.rewards.difference
    return {
        "accuracy": float((margins_P > 0).mean() + 0.5 * (margins_P == 0).mean()),
        "margin": float(margins_P.mean()),
        "chosen_reward": float(value.rewards.chosen.mean()),
        "rejected_reward": float(value.rewards.rejected.mean()),
        "chosen_logprob": float(np.mean([r.total for r in chosen])),
        "rejected_logprob": float(np.mean([r.total for r in rejected])),
        "chosen_tokens": float(np.mean([r.num_tokens for r in chosen])),
        "rejected_tokens": float(np.mean([r.num_tokens for r in rejected])),
    }
