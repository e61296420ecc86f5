"""One call samples the first turns of a group that shares its prompt."""

from collections.abc import Callable
from typing import Any

import pytest

from tinker_core import DataError

END = 9


def test_one_call_samples_the_first_turns_of_a_group_that_shares_its_prompt(
    worlds: Any,
    scripted: Callable[..., Any],
) -> None:
    """[1] -> 10 9, 11 9 or 12 9 by one call; the second turns are sampled each for itself."""
    sampler = scripted(lambda prompt, sample: [10 + sample, END])
    builder = worlds.Group(lambda i, n: worlds.Counting(), size=3, shares=True)
    group = worlds.run_alone(builder, sampler)
    first, *others = [(prompt, count) for prompt, count, _ in sampler.calls]
    assert first == ([1], 3)
    assert sorted(others) == [([1, 10 + i, END, 5], 1) for i in range(3)]
    assert [t.transitions[0].action.tokens[0] for t in group.trajectories] == [10, 11, 12]


def test_a_group_that_wrongly_says_so_is_told(worlds: Any, scripted: Callable[..., Any]) -> None:
    """Prompts [1] and [2]."""
    builder = worlds.Group(lambda i, n: worlds.Counting(start=1 + i), shares=True)
    with pytest.raises(DataError, match=r"episode \d of the group has another"):
        worlds.run_alone(builder, scripted(worlds.answer))


def test_an_episode_that_is_made_again_is_sampled_anew(
    worlds: Any, scripted: Callable[..., Any]
) -> None:
    """[1] -> one call for both; 2 breaks, and its second attempt is a call of its own."""
    sampler = scripted(worlds.answer)
    builder = worlds.Group(
        lambda i, n: worlds.Breaks() if i == 1 and n < 1 else worlds.Counting(), shares=True
    )
    group = worlds.run_alone(builder, sampler, on_failed_episode="retry")
    assert len(group.trajectories) == 2
    assert [count for prompt, count, _ in sampler.calls if prompt == [1]] == [2, 1]
