"""What a step trains on, and what it leaves out, counted."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tinker_rl import (
    Advantage,
    AllEpisodesFailedError,
    EpisodeFailure,
    TrajectoryGroup,
    training_batch,
)
from tinker_rl.update.training_batch import split_evenly


def test_groups_without_a_difference_are_left_out_when_asked_and_counted_always(
    group: Callable[..., Any],
) -> None:
    groups = [group(1, 1), group(0, 1), group(0, 0, 0)]
    kept = training_batch(groups, Advantage(), remove_constant=True)
    assert [sequence.group for sequence in kept.sequences] == [1, 1]
    assert kept.constant == {0, 2}
    everything = training_batch(groups, Advantage())
    assert len(everything.sequences) == 2 + 2 + 3
    assert everything.constant == {0, 2}


def test_where_no_group_has_a_difference_enough_remain_for_a_step(
    group: Callable[..., Any],
) -> None:
    batch = training_batch(
        [group(1, 1), group(0, 0)], Advantage(), remove_constant=True, at_least=2
    )
    assert len(batch.sequences) == 2
    one = training_batch([group(1, 1), group(0, 0)], Advantage(), remove_constant=True)
    assert len(one.sequences) == 1
    assert not any(sequence.advantages.any() for sequence in batch.sequences)


def test_a_sequence_knows_its_group_and_the_age_of_its_sampler(group: Callable[..., Any]) -> None:
    batch = training_batch([group(0, 1, sampler_step=3), group(1, 0, sampler_step=5)], Advantage())
    assert [(x.group, x.sampler_step) for x in batch.sequences] == [(0, 3), (0, 3), (1, 5), (1, 5)]


def test_a_group_that_lost_all_episodes_is_counted(group: Callable[..., Any]) -> None:
    lost = group(failures=(EpisodeFailure(problem="sandbox down"),))
    assert training_batch([lost, group(0, 1)], Advantage()).empty_groups == 1


def test_a_batch_without_a_token_says_why(group: Callable[..., Any]) -> None:
    first, second = (group(failures=(EpisodeFailure(problem=p),)) for p in ("down", "late"))
    with pytest.raises(AllEpisodesFailedError, match="2 groups; the first of 2 failures: down"):
        training_batch([first, second], Advantage())
    with pytest.raises(AllEpisodesFailedError, match="batch of 0 groups"):
        training_batch([], Advantage())


def test_rewards_that_differ_by_rounding_alone_are_equal(group: Callable[..., Any]) -> None:
    for kind in ("centred", "scaled", "leave_one_out", "gae"):
        groups = [group(0.1 + 0.2, 0.3), group(0.0, 1e-6), group(1e9 * (0.1 + 0.2), 3e8)]
        batch = training_batch(groups, Advantage(kind=kind))
        assert batch.constant == {0, 2}
        assert {s.group for s in batch.sequences if s.advantages.any()} == {1}


def test_rounding_is_relative_to_the_rewards_that_are_summed(turn: Any, trajectory: Any) -> None:
    turns = [turn([1], [2], reward) for reward in (1.0, -0.9, -0.1)]  # the sum is -2.8e-17
    group = TrajectoryGroup(
        trajectories=(trajectory(*turns), trajectory(turn([1], [2]))),
        group_rewards=[0.0, 0.0],
        group_metrics=({}, {}),
    )
    assert training_batch([group], Advantage()).constant == {0}


def test_with_gae_equal_totals_at_other_turns_are_a_difference(turn: Any, trajectory: Any) -> None:
    early, late = [
        trajectory(turn([1], [2], first), turn([1, 2], [3], 1 - first)) for first in (1.0, 0.0)
    ]
    group = TrajectoryGroup(
        trajectories=(early, late), group_rewards=[0.0, 0.0], group_metrics=({}, {})
    )
    assert training_batch([group], Advantage(kind="gae")).constant == frozenset()
    assert training_batch([group], Advantage()).constant == {0}


def test_substeps_divide_what_there_is(group: Callable[..., Any]) -> None:
    batch = training_batch([group(0, 1, 2, 3, 4)], Advantage())
    divided = split_evenly(batch.sequences, batch.constant, 2)
    assert [[s.episode for s in part] for part in divided] == [[0, 1], [2, 3, 4]]
    with pytest.raises(AllEpisodesFailedError, match="5 sequences cannot be divided into 6"):
        split_evenly(batch.sequences, batch.constant, 6)


@given(
    st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=4), min_size=1, max_size=8),
    st.integers(1, 5),
)
def test_each_substep_has_its_share_of_the_groups_with_a_difference(
    group: Callable[..., Any], rewards: list[list[int]], parts: int
) -> None:
    groups = [group(*rewards_G) for rewards_G in rewards]
    batch = training_batch(groups, Advantage())
    assume(len(batch.sequences) >= parts)
    divided = split_evenly(batch.sequences, batch.constant, parts)
    sizes = [len(part) for part in divided]
    assert max(sizes) - min(sizes) <= 1
    key = [(s.group, s.episode) for part in divided for s in part]
    assert sorted(key) == sorted((s.group, s.episode) for s in batch.sequences)
    different = [sum(s.group not in batch.constant for s in part) for part in divided]
    assert max(different) - min(different) <= 2
    if sum(different) >= 2 * parts:
        assert min(different) > 0
