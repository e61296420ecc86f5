"""Tinker's losses and their derivatives by the logprobs, in numpy.

lp are the logprobs of the targets under the model, q the `logprobs` that the tokens were sampled
with, A the `advantages`, r = exp(lp - q). Every loss is a sum over tokens and datums.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

Array = NDArray[np.float64]
Columns = Mapping[str, Array]
Config = Mapping[str, float]


@frozen
class Loss:
    """A loss of one datum and its derivative by each logprob, both of shape (N,) or (N, K)."""

    value: Callable[[Array, Columns, Config], Array]
    slope: Callable[[Array, Columns, Config], Array]


def _ratio(lp: Array, columns: Columns) -> Array:
    return np.exp(lp - columns["logprobs"])


def _clip(ratio: Array, config: Config) -> Array:
    return np.clip(ratio, config["clip_low_threshold"], config["clip_high_threshold"])


def _pessimistic(ratio: Array, columns: Columns, config: Config) -> Array:
    """min(r A, clip(r) A): PPO (arXiv:1707.06347, eq. 7)."""
    advantages = columns["advantages"]
    return np.minimum(ratio * advantages, _clip(ratio, config) * advantages)


def _pessimistic_slope(ratio: Array, columns: Columns, config: Config) -> Array:
    """d min(r A, clip(r) A) / d lp: r A where the unclipped product is the smaller one, else 0."""
    advantages = columns["advantages"]
    active = ratio * advantages <= _clip(ratio, config) * advantages
    return np.where(active, ratio * advantages, 0.0)


def _sequence_ratio(lp: Array, columns: Columns) -> Array:
    """GSPO (arXiv:2507.18071): the geometric mean of the masked ratios, for every token."""
    mask = columns["sequence_ratio_mask"] != 0
    mean = (lp - columns["logprobs"])[mask].mean()
    return np.full(lp.shape, np.exp(mean))


LOSSES = {
    "cross_entropy": Loss(
        value=lambda lp, columns, config: -columns["weights"] * lp,
        slope=lambda lp, columns, config: -columns["weights"],
    ),
    "importance_sampling": Loss(
        value=lambda lp, columns, config: -_ratio(lp, columns) * columns["advantages"],
        slope=lambda lp, columns, config: -_ratio(lp, columns) * columns["advantages"],
    ),
    "ppo": Loss(
        value=lambda lp, columns, config: -_pessimistic(_ratio(lp, columns), columns, config),
        slope=lambda lp, columns, config: -_pessimistic_slope(_ratio(lp, columns), columns, config),
    ),
    "cispo": Loss(
        value=lambda lp, columns, config: (
            -_clip(_ratio(lp, columns), config) * lp * columns["advantages"]
        ),
        slope=lambda lp, columns, config: (
            -_clip(_ratio(lp, columns), config) * columns["advantages"]
        ),
    ),
    "dro": Loss(
        value=lambda lp, columns, config: (
            -lp * columns["advantages"] + 0.5 * config["beta"] * (lp - columns["logprobs"]) ** 2
        ),
        slope=lambda lp, columns, config: (
            -columns["advantages"] + config["beta"] * (lp - columns["logprobs"])
        ),
    ),
    "gspo": Loss(
        value=lambda lp, columns, config: (
            -_pessimistic(_sequence_ratio(lp, columns), columns, config)
        ),
        slope=lambda lp, columns, config: (
            -_pessimistic_slope(_sequence_ratio(lp, columns), columns, config)
        ),
    ),
}
