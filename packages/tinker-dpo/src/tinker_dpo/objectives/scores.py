"""Scores of responses, which an objective takes, and losses, which it returns.

A score is a model's log-probability of a whole response: the sum over its tokens, or the mean if
the objective is length-normalised. Arrays have shape (P,), one entry a pair or a judged response,
and nothing is reduced over P.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from attrs import field, frozen
from numpy.typing import ArrayLike, NDArray

from tinker_core import DataError

Array = NDArray[np.float64]


def _column(values: ArrayLike) -> Array:
    return np.asarray(values, dtype=np.float64)


def _flags(values: ArrayLike) -> NDArray[np.bool_]:
    return np.asarray(values, dtype=bool)


@frozen(kw_only=True, eq=False)
class Sides:
    """A number for the chosen and one for the rejected response of each of P pairs."""

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

    def __sub__(self, other: Sides) -> Sides:
        """Side by side."""
        return Sides(chosen=self.chosen - other.chosen, rejected=self.rejected - other.rejected)

    def __mul__(self, factor: float) -> Sides:
        """Both sides times a number."""
        return Sides(chosen=self.chosen * factor, rejected=self.rejected * factor)


@frozen(kw_only=True, eq=False)
class PairLoss:
    """Losses of P pairs, their derivatives by the policy's scores, and the implied rewards."""

    loss: Array
    dchosen: Array
    drejected: Array
    rewards: Sides
    """Logged as `chosen_reward`, `rejected_reward`, `margin` and `accuracy`."""
    metrics: Mapping[str, float] = field(factory=dict)
    """Further metrics."""

    @classmethod
    def of_difference(cls, loss: Array, slope: Array, rewards: Sides) -> PairLoss:
        """A loss of the difference of the scores; `slope` is its derivative by the difference."""
        return cls(loss=loss, dchosen=slope, drejected=-slope, rewards=rewards)


@frozen(kw_only=True, eq=False)
class JudgedScores:
    """Scores of P judged responses, and of Q mismatched ones, which answer other prompts."""

    policy: Array = field(converter=_column)
    reference: Array = field(converter=_column)
    desirable: NDArray[np.bool_] = field(converter=_flags)
    mismatched_policy: Array = field(converter=_column)
    mismatched_reference: Array = field(converter=_column)


@frozen(kw_only=True, eq=False)
class JudgedLoss:
    """Losses of P judged responses, their derivatives by the policy's scores, and the rewards."""

    loss: Array
    dscore: Array
    reward: Array
    threshold: float
    """A reward above it counts as a prediction of `desirable` in the accuracy."""
    metrics: Mapping[str, float] = field(factory=dict)
    """Further metrics."""
