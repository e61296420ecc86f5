"""How much better than expected: from the rewards of a group to an advantage for each turn.

With r_g the total rewards of a group of G attempts:

    centred         r_g - mean(r)                        Dr. GRPO (Liu et al., 2025); the default
    scaled          (r_g - mean(r)) / std(r)             GRPO (Shao et al., 2024)
    leave_one_out   r_g - mean of the other G - 1        RLOO (Ahmadian et al., 2024)
    gae             a sum over turns, with a discount    GAE (Schulman et al., 2016)

Dividing by the standard deviation makes problems that are nearly always or nearly never solved
count more; that is why it is not the default. In the first three every turn of an attempt gets the
same advantage. With `gae`, a turn is judged by the rewards that come after it: the value of turn k
is the group's mean discounted reward from turn k on, over the attempts that got that far. The
rewards of `Env.stopped` and of the group fall to the last turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from attrs import field, frozen, validators
from numpy.typing import ArrayLike, NDArray

from tinker_rl.trajectory import TrajectoryGroup

Array = NDArray[np.float64]
_zero_to_one = validators.and_(validators.ge(0.0), validators.le(1.0))


@frozen(kw_only=True)
class Advantage:
    """Which estimator of the advantage to use."""

    kind: Literal["centred", "scaled", "leave_one_out", "gae"] = field(
        default="centred", validator=validators.in_(("centred", "scaled", "leave_one_out", "gae"))
    )
    """What the reward is compared with; the module says each formula."""
    discount: float = field(default=1.0, validator=_zero_to_one)
    """Of `gae`: how much a reward counts one turn earlier."""
    decay: float = field(default=1.0, validator=_zero_to_one)
    """Of `gae`: the lambda of the paper; 1 trusts the rewards, 0 trusts the next turn's value."""


def centre_on_group(rewards_G: ArrayLike) -> Array:
    """Reward minus the group's mean, shape (G,)."""
    given_G: Array = np.asarray(rewards_G, dtype=np.float64)
    return np.asarray(given_G - given_G.mean()) if given_G.size else given_G


def scale_by_group(rewards_G: ArrayLike, epsilon: float = 1e-8) -> Array:
    """Centred and divided by the standard deviation (of the group, not of a sample), shape (G,).

    All zeros where all rewards are equal.
    """
    centred_G = centre_on_group(rewards_G)
    squares = float(centred_G @ centred_G)
    if squares <= centred_G.size * epsilon**2:
        return np.zeros_like(centred_G)
    return centred_G / np.sqrt(squares / centred_G.size)


def leave_one_out(rewards_G: ArrayLike) -> Array:
    """Reward minus the mean of the others, shape (G,); zero for a group of one."""
    given_G: Array = np.asarray(rewards_G, dtype=np.float64)
    if given_G.size < 2:
        return np.zeros_like(given_G)
    return np.asarray(given_G - (given_G.sum() - given_G) / (given_G.size - 1))


def discounted_sums(rewards_K: ArrayLike, discount: float) -> Array:
    """At each place its reward and the discounted ones after it, shape (K,)."""
    sums_K = np.asarray(rewards_K, dtype=np.float64).copy()
    for k in range(len(sums_K) - 2, -1, -1):
        sums_K[k] += discount * sums_K[k + 1]
    return sums_K


def generalised_advantages(
    rewards_K: ArrayLike, values_K: ArrayLike, discount: float, decay: float
) -> Array:
    """GAE, shape (K,): the discounted sum, by discount * decay, of r_k + discount * V_k+1 - V_k.

    The places may be turns or tokens. `values_K` are the expectations before each place; after the
    last it is zero.
    """
    rewards_K = np.asarray(rewards_K, dtype=np.float64)
    values_K = np.asarray(values_K, dtype=np.float64)
    surprises_K = rewards_K + discount * np.append(values_K[1:], 0.0) - values_K
    return discounted_sums(surprises_K, discount * decay)


def turn_advantages(group: TrajectoryGroup, advantage: Advantage) -> list[Array]:
    """The advantage of each turn of each attempt, as G arrays of shape (K_g,)."""
    turns_G = [len(trajectory.transitions) for trajectory in group.trajectories]
    match advantage.kind:
        case "gae":
            return _over_turns(_turn_rewards(group), advantage)
        case "centred":
            advantages_G = centre_on_group(group.rewards)
        case "scaled":
            advantages_G = scale_by_group(group.rewards)
        case "leave_one_out":
            advantages_G = leave_one_out(group.rewards)
    return [np.full(turns, a) for turns, a in zip(turns_G, advantages_G, strict=True)]


def _turn_rewards(group: TrajectoryGroup) -> list[Array]:
    """The reward of each turn, what came at the end added to the last one."""
    rewards_G = []
    for trajectory, extra in zip(group.trajectories, group.group_rewards, strict=True):
        rewards_K = np.array([turn.reward for turn in trajectory.transitions])
        rewards_K[-1:] += trajectory.final_reward + extra
        rewards_G.append(rewards_K)
    return rewards_G


def _over_turns(rewards_G: Sequence[Array], advantage: Advantage) -> list[Array]:
    longest = max((len(rewards_K) for rewards_K in rewards_G), default=0)
    to_come = np.full((len(rewards_G), longest), np.nan)  # (G, K)
    for row, rewards_K in zip(to_come, rewards_G, strict=True):
        row[: len(rewards_K)] = discounted_sums(rewards_K, advantage.discount)
    values_K = np.nanmean(to_come, axis=0)
    return [
        generalised_advantages(
            rewards_K, values_K[: len(rewards_K)], advantage.discount, advantage.decay
        )
        for rewards_K in rewards_G
    ]
