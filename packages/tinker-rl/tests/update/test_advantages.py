"""Advantages against numbers worked out by hand and against the papers' sums."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinker_rl import (
    Advantage,
    centre_on_group,
    discounted_sums,
    generalised_advantages,
    leave_one_out,
    scale_by_group,
    turn_advantages,
)
from tinker_rl.trajectory import TrajectoryGroup


def test_centring_takes_the_mean_away_and_integers_are_numbers_too() -> None:
    assert centre_on_group([0, 0, 0, 1]).tolist() == [-0.25, -0.25, -0.25, 0.75]


def test_scaling_divides_by_the_deviation_of_the_group() -> None:
    # mean 0.25, variance (3 * 0.0625 + 0.5625) / 4 = 0.1875, deviation sqrt(3) / 4
    expected = np.array([-1, -1, -1, 3]) / np.sqrt(3)
    np.testing.assert_allclose(scale_by_group([0, 0, 0, 1]), expected)


def test_leave_one_out_compares_with_the_others() -> None:
    # others of the first: (0 + 4) / 2 = 2; of the second (2 + 4) / 2 = 3; of the third 1
    assert leave_one_out([2, 0, 4]).tolist() == [0, -3, 3]


def test_leave_one_out_of_two_compares_each_with_the_other() -> None:
    assert leave_one_out([1, 4]).tolist() == [-3, 3]


def test_equal_rewards_have_no_deviation_to_divide_by() -> None:
    assert scale_by_group([2, 2]).tolist() == [0, 0]
    assert scale_by_group([0.1 + 0.2, 0.3]).tolist() == [0, 0]


def test_small_differences_count() -> None:
    np.testing.assert_allclose(scale_by_group([1, 1 + 1e-7]), [-1, 1])


def test_the_sample_deviation_and_an_epsilon_give_the_numbers_of_trl() -> None:
    # TRL 1.16: (rewards - rewards.mean()) / (rewards.std() + 1e-4), with torch's std
    rewards = [0.0, 1.0, 0.0, 0.5]
    mean = sum(rewards) / 4
    deviation = (sum((r - mean) ** 2 for r in rewards) / 3) ** 0.5
    expected = [(r - mean) / (deviation + 1e-4) for r in rewards]
    np.testing.assert_allclose(scale_by_group(rewards, ddof=1, epsilon=1e-4), expected, atol=1e-12)


def test_the_settings_of_the_deviation_reach_the_advantages_of_a_group(
    turn: Callable[..., Any], trajectory: Callable[..., Any]
) -> None:
    attempts = (trajectory(turn([1], [2], 0.0)), trajectory(turn([1], [2], 1.0)))
    group = TrajectoryGroup(trajectories=attempts, group_rewards=[0.0, 0.0], group_metrics=({}, {}))
    advantage = Advantage(kind="grpo", ddof=1, epsilon=0.5)
    deviation = 0.5**0.5
    np.testing.assert_allclose(
        np.concatenate(turn_advantages(group, advantage)),
        np.array([-0.5, 0.5]) / (deviation + 0.5),
    )


@pytest.mark.parametrize("fields", [{"ddof": 2}, {"epsilon": -1.0}, {"epsilon": float("inf")}])
def test_a_deviation_that_is_not_defined_is_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))):
        Advantage(**fields)


@pytest.mark.parametrize("fields", [{"discount": 1.5}, {"gae_lambda": 1.5}, {"discount": -0.1}])
def test_a_discount_outside_zero_to_one_is_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))):
        Advantage(**fields)


@pytest.mark.parametrize("estimate", [centre_on_group, scale_by_group, leave_one_out])
@pytest.mark.parametrize("rewards", [[], [3], [2, 2, 2]])
def test_nothing_to_compare_gives_no_advantage(
    estimate: Callable[[Any], np.ndarray], rewards: list[int]
) -> None:
    assert estimate(rewards).tolist() == [0] * len(rewards)


def test_a_discounted_sum_looks_ahead() -> None:
    assert discounted_sums([1, 2, 4], 0.5).tolist() == [3, 4, 4]
    assert discounted_sums([], 0.5).tolist() == []


def test_gae_is_the_double_sum_of_the_paper() -> None:
    random = np.random.default_rng(0)
    rewards, values = random.normal(size=(2, 6))
    discount, gae_lambda = 0.9, 0.7
    following = [*values[1:], 0.0]
    deltas = [r + discount * f - v for r, f, v in zip(rewards, following, values, strict=True)]
    expected = [
        sum((discount * gae_lambda) ** (j - k) * deltas[j] for j in range(k, 6)) for k in range(6)
    ]
    np.testing.assert_allclose(
        generalised_advantages(rewards, values, discount, gae_lambda), expected, rtol=1e-12
    )


def test_every_turn_of_an_attempt_gets_the_attempts_advantage(
    turn: Callable[..., Any], trajectory: Callable[..., Any]
) -> None:
    two = trajectory(turn([1], [2], 1.0), turn([1, 2, 3], [4], 2.0))
    one = trajectory(turn([1], [2], 1.0))
    group = TrajectoryGroup(
        trajectories=(two, one), group_rewards=[0.0, 1.0], group_metrics=({}, {})
    )
    # totals 3 and 1 + 1 from the group; mean 2.5
    advantages = turn_advantages(group, Advantage())
    assert [a.tolist() for a in advantages] == [[0.5, 0.5], [-0.5]]


def test_with_gae_a_turn_answers_for_what_comes_after_it(
    turn: Callable[..., Any], trajectory: Callable[..., Any]
) -> None:
    early = trajectory(turn([1], [2], 4.0), turn([1, 2, 3], [4], 0.0))
    late = trajectory(turn([1], [2], 0.0), turn([1, 2, 3], [4], 2.0))
    group = TrajectoryGroup(
        trajectories=(early, late), group_rewards=[0.0, 0.0], group_metrics=({}, {})
    )
    # returns: (4, 0) and (2, 2); values (3, 1). With lambda 1: the return minus the value.
    advantages = turn_advantages(group, Advantage(kind="gae"))
    assert [a.tolist() for a in advantages] == [[1.0, -1.0], [-1.0, 1.0]]
    # With lambda 0: r + V' - V = (4 + 1 - 3, 0 - 1) and (0 + 1 - 3, 2 - 1)
    advantages = turn_advantages(group, Advantage(kind="gae", gae_lambda=0.0))
    assert [a.tolist() for a in advantages] == [[2.0, -1.0], [-2.0, 1.0]]


def test_gae_puts_rewards_of_the_end_on_the_last_turn_and_takes_episodes_of_all_lengths(
    turn: Callable[..., Any], trajectory: Callable[..., Any]
) -> None:
    none = trajectory()
    one = trajectory(turn([1], [2], 0.0))
    two = trajectory(turn([1], [2], 0.0), turn([1, 2, 3], [4], 0.0))
    group = TrajectoryGroup(
        trajectories=(none, one, two), group_rewards=[9.0, 1.0, 3.0], group_metrics=({}, {}, {})
    )
    # returns: (1) and (3, 3); values (2, 3)
    advantages = turn_advantages(group, Advantage(kind="gae"))
    assert [a.tolist() for a in advantages] == [[], [-1.0], [1.0, 0.0]]


def test_gae_of_no_attempts_is_no_advantages() -> None:
    group = TrajectoryGroup(trajectories=(), group_rewards=[], group_metrics=())
    assert turn_advantages(group, Advantage(kind="gae")) == []


@pytest.mark.parametrize(
    ("alias", "name"), [("dr_grpo", "centred"), ("grpo", "scaled"), ("rloo", "leave_one_out")]
)
def test_an_estimator_has_the_name_of_its_paper_too(alias: Any, name: Any) -> None:
    assert Advantage(kind=alias) == Advantage(kind=name)
