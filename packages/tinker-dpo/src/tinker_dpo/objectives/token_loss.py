"""The loss of a batch, and its derivative by every token's log-probability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from attrs import frozen

from tinker_dpo.objectives.objective import JudgedObjective, Objective, PairObjective
from tinker_dpo.objectives.scores import Array, JudgedLoss, JudgedScores, PairLoss, Sides
from tinker_train import merge_metrics


@frozen(kw_only=True, eq=False)
class Response:
    """One response under the policy: N predicted tokens, some of which are the response."""

    logprobs: Array
    """Log-probability of each target under the policy, shape (N,)."""
    mask: Array
    """1 where the target belongs to the response, else 0, shape (N,)."""
    reference: float = 0.0
    """Sum of the response's log-probabilities under the reference; 0 without one."""

    @property
    def total(self) -> float:
        """Sum of the response's log-probabilities under the policy."""
        return float(self.mask @ self.logprobs)

    @property
    def num_tokens(self) -> float:
        """Number of tokens of the response."""
        return float(self.mask.sum())


@frozen(kw_only=True, eq=False)
class TokenLoss:
    """The mean loss of a batch with D trained responses, and its derivatives."""

    loss: float
    slopes: Array
    """Derivative by the log-probability of each token of a trained response, shape (D,).

    A score is a sum or a mean over the response, so all its tokens have one slope.
    """
    metrics: Mapping[str, float]


def pair_loss(objective: PairObjective, pairs: Sequence[tuple[Response, Response]]) -> TokenLoss:
    """The mean loss of pairs (chosen, rejected); slopes alternate between the two."""
    chosen, rejected = zip(*pairs, strict=True)
    value = objective.loss(
        policy=Sides(chosen=_policy(chosen, objective), rejected=_policy(rejected, objective)),
        reference=Sides(
            chosen=_reference(chosen, objective), rejected=_reference(rejected, objective)
        ),
    )
    slopes_D = np.stack([value.dchosen, value.drejected], axis=1).reshape(-1) / len(pairs)
    trained = [response for pair in pairs for response in pair]
    return TokenLoss(
        loss=float(value.loss.mean()),
        slopes=slopes_D / _divisors(trained, objective),
        metrics=_pair_metrics(value, chosen, rejected),
    )


def judged_loss(
    objective: JudgedObjective,
    responses: Sequence[Response],
    mismatched: Sequence[Response],
    desirable: Sequence[bool],
) -> TokenLoss:
    """The mean loss of judged responses; `mismatched` are responses to other prompts."""
    value = objective.loss(
        JudgedScores(
            policy=_policy(responses, objective),
            reference=_reference(responses, objective),
            desirable=desirable,
            mismatched_policy=_policy(mismatched, objective),
            mismatched_reference=_reference(mismatched, objective),
        )
    )
    return TokenLoss(
        loss=float(value.loss.mean()),
        slopes=value.dscore / len(responses) / _divisors(responses, objective),
        metrics=_judged_metrics(value, desirable),
    )


def _policy(responses: Sequence[Response], objective: Objective) -> Array:
    return np.array([r.total for r in responses]) / _divisors(responses, objective)


def _reference(responses: Sequence[Response], objective: Objective) -> Array:
    return np.array([r.reference for r in responses]) / _divisors(responses, objective)


def _divisors(responses: Sequence[Response], objective: Objective) -> Array:
    """From a sum over tokens to a score."""
    lengths = [r.num_tokens if objective.length_normalised else 1.0 for r in responses]
    return np.array(lengths)


def _pair_metrics(
    value: PairLoss, chosen: Sequence[Response], rejected: Sequence[Response]
) -> dict[str, float]:
    margins_P = value.rewards.difference
    metrics = {
        "accuracy": float((margins_P > 0).mean() + 0.5 * (margins_P == 0).mean()),
        "margin": float(margins_P.mean()),
        "chosen_reward": float(value.rewards.chosen.mean()),
        "rejected_reward": float(value.rewards.rejected.mean()),
        "chosen_logprob": float(np.mean([r.total for r in chosen])),
        "rejected_logprob": float(np.mean([r.total for r in rejected])),
        "chosen_tokens": float(np.mean([r.num_tokens for r in chosen])),
        "rejected_tokens": float(np.mean([r.num_tokens for r in rejected])),
    }
    return merge_metrics("metrics of the objective", metrics, value.metrics)


def _judged_metrics(value: JudgedLoss, desirable: Sequence[bool]) -> dict[str, float]:
    good_P = np.asarray(desirable, dtype=bool)
    metrics = {
        "accuracy": float(np.mean((value.reward > value.threshold) == good_P)),
        "num_desirable": float(good_P.sum()),
    }
    for name, mask_P in (("chosen_reward", good_P), ("rejected_reward", ~good_P)):
        if mask_P.any():
            metrics[name] = float(value.reward[mask_P].mean())
    return merge_metrics("metrics of the objective", metrics, value.metrics)
