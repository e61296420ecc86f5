"""What a step trains on, and what it leaves out, counted."""

from collections.abc import Callable
from typing import Any

import pytest

from tinker_rl import Advantage, AllEpisodesFailedError, EpisodeFailure, training_batch
from tinker_rl.update.training_batch import split_evenly


def test_groups_without_a_difference_are_left_out_when_asked_and_counted_always(
    group: Callable[..., Any],
) -> None:
    groups = [group(1, 1), group(0, 1), group(0, 0, 0)]
    kept = training_batch(groups, Advantage(), remove_constant=True)
    assert [ledger.group for ledger in kept.ledgers] == [1, 1]
    assert kept.constant_groups == 2
    everything = training_batch(groups, Advantage())
    assert len(everything.ledgers) == 2 + 2 + 3
    assert everything.constant_groups == 2


def test_where_no_group_has_a_difference_enough_remain_for_a_step(
    group: Callable[..., Any],
) -> None:
    batch = training_batch(
        [group(1, 1), group(0, 0)], Advantage(), remove_constant=True, at_least=2
    )
    assert len(batch.ledgers) == 2
    assert not any(ledger.advantages.any() for ledger in batch.ledgers)


def test_a_sequence_knows_its_group_and_the_age_of_its_sampler(group: Callable[..., Any]) -> None:
    batch = training_batch([group(0, 1, sampler_step=3), group(1, 0, sampler_step=5)], Advantage())
    assert [(x.group, x.sampler_step) for x in batch.ledgers] == [(0, 3), (0, 3), (1, 5), (1, 5)]


def test_a_group_that_lost_all_episodes_is_counted(group: Callable[..., Any]) -> None:
    lost = group(failures=(EpisodeFailure(problem="sandbox down"),))
    assert training_batch([lost, group(0, 1)], Advantage()).empty_groups == 1


def test_a_batch_without_a_token_says_why(group: Callable[..., Any]) -> None:
    lost = group(failures=(EpisodeFailure(problem="sandbox down"),))
    with pytest.raises(AllEpisodesFailedError, match="2 groups; the first of 2 failures: sandbox"):
        training_batch([lost, lost], Advantage())
    with pytest.raises(AllEpisodesFailedError, match="batch of 0 groups"):
        training_batch([], Advantage())


def test_substeps_divide_what_there_is(group: Callable[..., Any]) -> None:
    ledgers = training_batch([group(0, 1, 2, 3, 4)], Advantage()).ledgers
    assert [len(part) for part in split_evenly(ledgers, 2)] == [2, 3]
    with pytest.raises(AllEpisodesFailedError, match="5 sequences cannot make 6 substeps"):
        split_evenly(ledgers, 6)
