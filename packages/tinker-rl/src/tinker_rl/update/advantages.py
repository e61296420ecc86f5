"""Advantage estimators: from the rewards of a group to one advantage for each turn.

With r_g the total rewards of a group of G episodes:

    centred         dr_grpo   r_g - mean(r)                     Liu et al., 2025; the default
    scaled          grpo      (r_g - mean(r)) / (std(r) + eps)  Shao et al., 2024
    leave_one_out   rloo      r_g - mean of the other G - 1     Ahmadian et al., 2024
    gae                       a discounted sum over turns       Schulman et al., 2016

std(r) divides the sum of squares by G - `ddof`. TRL's `scale_rewards="group"` is `scaled` with
`ddof` 1 and `epsilon` 1e-4. Groups whose rewards are equal up to rounding have no advantage.

Division by the standard deviation gives more weight to problems that are nearly always or nearly
never solved, so it is not the default. In the first three, all turns of an episode have the same
advantage. With `gae`, a turn is judged by the rewards after it. The value of turn k is the group's
mean discounted reward from turn k on, over the episodes that have a turn k. The rewards of
`Env.stopped` and of the group belong to the last turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, get_args

import numpy as np
from attrs import field, frozen, validators
from numpy.typing import ArrayLike, NDArray

from tinker_rl.trajectory import TrajectoryGroup

Array = NDArray[np.float64]
Estimator = Literal["centred", "scaled", "leave_one_out", "gae", "dr_grpo", "grpo", "rloo"]
_ALIASES = {"dr_grpo": "centred", "grpo": "scaled", "rloo": "leave_one_out"}
_ROUNDING = 1e-9
"""Relative difference below which rewards are equal."""
_zero_to_one = validators.and_(validators.ge(0.0), validators.le(1.0))


def _without_alias(name: Estimator) -> Estimator:
    return _ALIASES.get(name, name)  # type: ignore[return-value]


@frozen(kw_only=True)
class Advantage:
    """The advantage estimator."""

    kind: Estimator = field(
        default="centred",
        converter=_without_alias,
        validator=validators.in_(get_args(Estimator)),
    )
    """`centred` (or `dr_grpo`), `scaled` (`grpo`), `leave_one_out` (`rloo`) or `gae`."""
    discount: float = field(default=1.0, validator=_zero_to_one)
    """Of `gae`: the paper's gamma, the discount of a reward for each turn."""
    gae_lambda: float = field(default=1.0, validator=_zero_to_one)
    """Of `gae`: the paper's lambda. 1 relies on the rewards, 0 on the value of the next turn."""
    ddof: int = field(default=0, validator=validators.in_((0, 1)))
    """Of `scaled`: 0 for the population's standard deviation, 1 for the sample's, as in TRL."""
    epsilon: float = field(default=0.0, validator=[validators.ge(0.0), validators.lt(np.inf)])
    """Of `scaled`: added to the standard deviation; 1e-4 in TRL."""


def are_equal(rewards_G: ArrayLike) -> bool:
    """True for rewards that differ by rounding only, such as 0.1 + 0.2 and 0.3, and for none."""
    given_G: Array = np.asarray(rewards_G, dtype=np.float64)
    return not given_G.size or bool(np.ptp(given_G) <= _ROUNDING * np.abs(given_G).max())


def centre_on_group(rewards_G: ArrayLike) -> Array:
    """Reward minus the group's mean, shape (G,). Zero for rewards that are equal up to rounding."""
    given_G: Array = np.asarray(rewards_G, dtype=np.float64)
    if are_equal(given_G):
        return np.zeros_like(given_G)
    return np.asarray(given_G - given_G.mean())


def scale_by_group(rewards_G: ArrayLike, *, ddof: int = 0, epsilon: float = 0.0) -> Array:
    """Centred and divided by the standard deviation plus `epsilon`, shape (G,).

    The standard deviation divides the sum of squares by G - `ddof`. All zeros if the rewards are
    equal up to rounding.
    """
    centred_G = centre_on_group(rewards_G)
    if not centred_G.any():
        return centred_G
    return np.asarray(centred_G / (centred_G.std(ddof=ddof) + epsilon))


def leave_one_out(rewards_G: ArrayLike) -> Array:
    """Reward minus the mean of the others, shape (G,).

    Zero for a group of one, and for rewards that are equal up to rounding.
    """
    given_G: Array = np.asarray(rewards_G, dtype=np.float64)
    if are_equal(given_G):
        return np.zeros_like(given_G)
    return np.asarray(given_G - (given_G.sum() - given_G) / (given_G.size - 1))


def discounted_sums(rewards_K: ArrayLike, discount: float) -> Array:
    """Each reward plus the discounted rewards after it, shape (K,)."""
    sums_K = np.asarray(rewards_K, dtype=np.float64).copy()
    for k in range(len(sums_K) - 2, -1, -1):
        sums_K[k] += discount * sums_K[k + 1]
    return sums_K


def generalised_advantages(
    rewards_K: ArrayLike, values_K: ArrayLike, discount: float, gae_lambda: float
) -> Array:
    """GAE, shape (K,): sum over l of (discount * gae_lambda)^l * delta_{k+l}.

    delta_k = r_k + discount * V_{k+1} - V_k, and V_K = 0. The K steps may be turns or tokens.
    """
    rewards_K = np.asarray(rewards_K, dtype=np.float64)
    values_K = np.asarray(values_K, dtype=np.float64)
    deltas_K = rewards_K + discount * np.append(values_K[1:], 0.0) - values_K
    return discounted_sums(deltas_K, discount * gae_lambda)


def turn_advantages(group: TrajectoryGroup, advantage: Advantage) -> list[Array]:
    """The advantages of a group: G arrays of shape (K_g,), one number for each turn."""
    turns_G = [len(trajectory.transitions) for trajectory in group.trajectories]
    if advantage.kind == "gae":
        noise = _ROUNDING * _largest_sum(group)
        over_turns = _over_turns(_turn_rewards(group), advantage)
        return [np.where(np.abs(a_K) <= noise, 0.0, a_K) for a_K in over_turns]
    if is_constant(group):
        return [np.zeros(turns) for turns in turns_G]
    match advantage.kind:
        case "centred":
            advantages_G = centre_on_group(group.rewards)
        case "scaled":
            advantages_G = scale_by_group(
                group.rewards, ddof=advantage.ddof, epsilon=advantage.epsilon
            )
        case _:
            advantages_G = leave_one_out(group.rewards)
    return [np.full(turns, a) for turns, a in zip(turns_G, advantages_G, strict=True)]


def is_constant(group: TrajectoryGroup) -> bool:
    """True if all episodes have the same total reward up to the rounding of their sums."""
    return not group.trajectories or bool(np.ptp(group.rewards) <= _ROUNDING * _largest_sum(group))


def _largest_sum(group: TrajectoryGroup) -> float:
    """The greatest sum of absolute rewards of an episode: rounding is relative to it."""
    return max((float(np.abs(rewards_K).sum()) for rewards_K in _all_rewards(group)), default=0.0)


def _all_rewards(group: TrajectoryGroup) -> Iterator[Array]:
    """The rewards of each episode: of its turns, of its end and of its group."""
    for trajectory, extra in zip(group.trajectories, group.group_rewards, strict=True):
        turns = [turn.reward for turn in trajectory.transitions]
        yield np.array([*turns, trajectory.final_reward, extra])


def _turn_rewards(group: TrajectoryGroup) -> list[Array]:
    """The reward of each turn. Rewards at the end of the episode are added to the last turn."""
    rewards_G = []
    for all_K in _all_rewards(group):
        rewards_K = all_K[:-2]
        rewards_K[-1:] += all_K[-2:].sum()
        rewards_G.append(rewards_K)
    return rewards_G


def _over_turns(rewards_G: Sequence[Array], advantage: Advantage) -> list[Array]:
    longest = max((len(rewards_K) for rewards_K in rewards_G), default=0)
    returns_G_K = np.full((len(rewards_G), longest), np.nan)
    for row_K, rewards_K in zip(returns_G_K, rewards_G, strict=True):
        row_K[: len(rewards_K)] = discounted_sums(rewards_K, advantage.discount)
    values_K = np.nanmean(returns_G_K, axis=0)
    return [
        generalised_advantages(
            rewards_K, values_K[: len(rewards_K)], advantage.discount, advantage.gae_lambda
        )
        for rewards_K in rewards_G
    ]
