"""Trajectories to sequences: nothing lost, nothing twice, each number at its token."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tinker
from hypothesis import given
from hypothesis import strategies as st

from tinker_core import DataError
from tinker_rl import (
    Action,
    Completed,
    Loss,
    Trajectory,
    Transition,
    loss_datums,
    trajectory_ledgers,
)
from tinker_rl.update.training_sequence import add_to_advantages, model_input, with_logprobs


def test_a_growing_conversation_is_one_sequence(
    turn: Callable[..., Any], trajectory: Callable[..., Any]
) -> None:
    episode = trajectory(turn([1, 2], [3, 4]), turn([1, 2, 3, 4, 5], [6]))
    (ledger,) = trajectory_ledgers(episode, [0.5, -2.0])
    assert ledger.tokens.tolist() == [1, 2, 3, 4, 5, 6]
    assert ledger.sampled.tolist() == [False, False, True, True, False, True]
    assert ledger.logprobs.tolist() == [0, 0, -0.03, -0.04, 0, -0.06]
    assert ledger.advantages.tolist() == [0, 0, 0.5, 0.5, 0, -2.0]


@pytest.mark.parametrize("second", [[1, 2, 9], [1, 2, 3], [7]])
def test_a_prompt_that_does_not_go_on_begins_a_sequence(
    second: list[int], turn: Callable[..., Any], trajectory: Callable[..., Any]
) -> None:
    episode = trajectory(turn([1, 2], [3, 4]), turn(second, [6]))
    ledgers = trajectory_ledgers(episode, [1.0, 2.0])
    assert [ledger.tokens.tolist() for ledger in ledgers] == [[1, 2, 3, 4], [*second, 6]]
    assert ledgers[1].advantages.tolist() == [0.0] * len(second) + [2.0]


def test_a_turn_of_no_tokens_teaches_nothing(
    turn: Callable[..., Any], trajectory: Callable[..., Any]
) -> None:
    assert trajectory_ledgers(trajectory(turn([1, 2], [])), [1.0]) == []
    (ledger,) = trajectory_ledgers(trajectory(turn([1, 2], []), turn([1, 2, 3], [4])), [1.0, 2.0])
    assert ledger.advantages.tolist() == [0, 0, 0, 2.0]


def test_an_episode_that_never_began_is_no_sequence(trajectory: Callable[..., Any]) -> None:
    assert trajectory_ledgers(trajectory(), []) == []


def test_what_cannot_be_trained_on_is_refused(
    turn: Callable[..., Any], trajectory: Callable[..., Any]
) -> None:
    with pytest.raises(DataError, match="needs a token"):
        trajectory_ledgers(trajectory(turn([], [1])), [1.0])
    with pytest.raises(DataError, match="1 turns"):
        trajectory_ledgers(trajectory(turn([1], [1])), [1.0, 1.0])


def picture(data: bytes) -> tinker.types.ImageChunk:
    return tinker.types.ImageChunk(data=data, format="png", expected_tokens=2)


def test_an_image_keeps_its_place_and_its_tokens(trajectory: Callable[..., Any]) -> None:
    """text 1 | image | text 2 -> sampled 3; and the same, 4 -> sampled 5."""

    def seen(*after: int) -> tinker.ModelInput:
        before = tinker.EncodedTextChunk(tokens=[1])
        rest = tinker.EncodedTextChunk(tokens=list(after))
        return tinker.ModelInput(chunks=[before, picture(b"cat"), rest])

    turns = [
        Transition(observation=seen(2), action=Action(tokens=[3], logprobs=[-1.0])),
        Transition(observation=seen(2, 3, 4), action=Action(tokens=[5], logprobs=[-2.0])),
    ]
    (ledger,) = trajectory_ledgers(trajectory(*turns), [1.0, 2.0])
    assert ledger.tokens.tolist() == [1, 0, 0, 2, 3, 4, 5]
    assert ledger.advantages.tolist() == [0, 0, 0, 0, 1, 0, 2]
    assert model_input(ledger) == seen(2, 3, 4, 5)
    (datum,) = loss_datums(Loss(normalise="none"), [ledger])
    assert datum.model_input == seen(2, 3, 4)
    assert datum.loss_fn_inputs["target_tokens"].tolist() == [0, 0, 2, 3, 4, 5]
    assert datum.loss_fn_inputs["advantages"].tolist() == [0, 0, 0, 1, 0, 2]


def test_another_image_begins_a_sequence(trajectory: Callable[..., Any]) -> None:
    action = Action(tokens=[3], logprobs=[-1.0])

    def turn(data: bytes, *after: int) -> Transition:
        text = tinker.EncodedTextChunk(tokens=list(after))
        seen = tinker.ModelInput(chunks=[picture(data), text])
        return Transition(observation=seen, action=action)

    same = trajectory_ledgers(trajectory(turn(b"cat", 1), turn(b"cat", 1, 3, 4)), [1.0, 1.0])
    other = trajectory_ledgers(trajectory(turn(b"cat", 1), turn(b"dog", 1, 3, 4)), [1.0, 1.0])
    assert [len(same), len(other)] == [1, 2]


def test_sampled_tokens_take_new_numbers_in_their_order(
    turn: Callable[..., Any], trajectory: Callable[..., Any]
) -> None:
    episode = trajectory(turn([1], [2]), turn([1, 2, 3], [4]))
    (ledger,) = trajectory_ledgers(episode, [1.0, 1.0])
    assert add_to_advantages(ledger, [10.0, 20.0]).advantages.tolist() == [0, 11, 0, 21]
    assert with_logprobs(ledger, [-5.0, -6.0]).logprobs.tolist() == [0, -5, 0, -6]
    with pytest.raises(DataError, match="2 sampled tokens"):
        add_to_advantages(ledger, [1.0])


def test_an_action_knows_a_logprob_of_each_token() -> None:
    with pytest.raises(DataError, match="2 sampled tokens, but 1 logprobs"):
        Action(tokens=[1, 2], logprobs=[-1.0])


pieces = st.lists(st.integers(1, 3), max_size=3)


@given(st.lists(st.tuples(pieces, pieces, st.booleans()), max_size=6))
def test_every_sampled_token_is_there_once_after_exactly_what_the_model_saw(
    script: list[tuple[list[int], list[int], bool]],
) -> None:
    turns: list[Transition] = []
    seen: list[int] = []
    for observed, sampled, forgets in script:
        seen = ([] if forgets else seen) + [1, *observed]
        action = Action(tokens=sampled, logprobs=[-float(len(turns))] * len(sampled))
        turns.append(Transition(observation=tinker.ModelInput.from_ints(seen), action=action))
        seen = seen + sampled
    episode = Trajectory(transitions=tuple(turns), stop=Completed())
    ledgers = trajectory_ledgers(episode, np.arange(len(turns)))
    found = [
        (ledger.tokens[:t].tolist(), int(ledger.tokens[t]), ledger.logprobs[t])
        for ledger in ledgers
        for t in np.flatnonzero(ledger.sampled)
    ]
    expected = [
        (turn.observation.to_ints() + list(turn.action.tokens[:i]), token, -float(k))
        for k, turn in enumerate(turns)
        for i, token in enumerate(turn.action.tokens)
    ]
    assert found == expected
