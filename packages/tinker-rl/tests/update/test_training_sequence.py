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
    ImportanceSampling,
    Trajectory,
    Transition,
    loss_datums,
    training_sequences,
)
from tinker_rl.update.training_sequence import (
    add_to_advantages,
    model_input,
    num_tokens,
    with_logprobs,
)


def test_a_growing_conversation_is_one_sequence(
    turn: Callable[..., Any], trajectory: Callable[..., Any]
) -> None:
    episode = trajectory(turn([1, 2], [3, 4]), turn([1, 2, 3, 4, 5], [6]))
    (sequence,) = training_sequences(episode, [0.5, -2.0])
    assert sequence.tokens.tolist() == [1, 2, 3, 4, 5, 6]
    assert sequence.sampled.tolist() == [False, False, True, True, False, True]
    logprobs = np.array([0, 0, -0.03, -0.04, 0, -0.06], dtype=np.float32)
    assert sequence.logprobs.tolist() == logprobs.tolist()
    assert sequence.advantages.tolist() == [0, 0, 0.5, 0.5, 0, -2.0]


@pytest.mark.parametrize("second", [[1, 2, 9], [1, 2, 3], [7]])
def test_a_prompt_that_does_not_go_on_begins_a_sequence(
    second: list[int], turn: Callable[..., Any], trajectory: Callable[..., Any]
) -> None:
    episode = trajectory(turn([1, 2], [3, 4]), turn(second, [6]))
    sequences = training_sequences(episode, [1.0, 2.0])
    assert [sequence.tokens.tolist() for sequence in sequences] == [[1, 2, 3, 4], [*second, 6]]
    assert sequences[1].advantages.tolist() == [0.0] * len(second) + [2.0]


def test_a_turn_of_no_tokens_teaches_nothing(
    turn: Callable[..., Any], trajectory: Callable[..., Any]
) -> None:
    assert training_sequences(trajectory(turn([1, 2], [])), [1.0]) == []
    (sequence,) = training_sequences(trajectory(turn([1, 2], []), turn([1, 2, 3], [4])), [1.0, 2.0])
    assert sequence.advantages.tolist() == [0, 0, 0, 2.0]


def test_an_episode_that_never_began_is_no_sequence(trajectory: Callable[..., Any]) -> None:
    assert training_sequences(trajectory(), []) == []


def test_what_cannot_be_trained_on_is_refused(
    turn: Callable[..., Any], trajectory: Callable[..., Any]
) -> None:
    with pytest.raises(DataError, match="needs a token"):
        training_sequences(trajectory(turn([], [1])), [1.0])
    with pytest.raises(DataError, match="1 turns"):
        training_sequences(trajectory(turn([1], [1])), [1.0, 1.0])


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
    (sequence,) = training_sequences(trajectory(*turns), [1.0, 2.0])
    assert sequence.tokens.tolist() == [1, 0, 0, 2, 3, 4, 5]
    assert sequence.advantages.tolist() == [0, 0, 0, 0, 1, 0, 2]
    assert model_input(sequence) == seen(2, 3, 4, 5)
    (datum,), _ = loss_datums(ImportanceSampling(normalise="none"), [sequence])
    assert datum.model_input == seen(2, 3, 4)
    assert datum.loss_fn_inputs["target_tokens"].tolist() == [0, 0, 2, 3, 4, 5]
    assert datum.loss_fn_inputs["advantages"].tolist() == [0, 0, 0, 1, 0, 2]


def test_images_at_both_ends_of_a_prompt_leave_no_empty_chunk(
    trajectory: Callable[..., Any],
) -> None:
    """image | image | text 1 | image -> sampled 3."""
    text = tinker.EncodedTextChunk(tokens=[1])
    seen = tinker.ModelInput(chunks=[picture(b"a"), picture(b"b"), text, picture(b"c")])
    action = Action(tokens=[3], logprobs=[-1.0])
    turn = Transition(observation=seen, action=action)
    (sequence,) = training_sequences(trajectory(turn), [1.0])
    (datum,), _ = loss_datums(ImportanceSampling(), [sequence])
    assert datum.model_input == seen
    assert num_tokens([sequence]) == 7


def test_another_image_begins_a_sequence(trajectory: Callable[..., Any]) -> None:
    action = Action(tokens=[3], logprobs=[-1.0])

    def turn(data: bytes, *after: int) -> Transition:
        text = tinker.EncodedTextChunk(tokens=list(after))
        seen = tinker.ModelInput(chunks=[picture(data), text])
        return Transition(observation=seen, action=action)

    same = training_sequences(trajectory(turn(b"cat", 1), turn(b"cat", 1, 3, 4)), [1.0, 1.0])
    other = training_sequences(trajectory(turn(b"cat", 1), turn(b"dog", 1, 3, 4)), [1.0, 1.0])
    assert [len(same), len(other)] == [1, 2]


def test_sampled_tokens_take_new_numbers_in_their_order(
    turn: Callable[..., Any], trajectory: Callable[..., Any]
) -> None:
    episode = trajectory(turn([1], [2]), turn([1, 2, 3], [4]))
    (sequence,) = training_sequences(episode, [1.0, 1.0])
    assert add_to_advantages(sequence, [10.0, 20.0]).advantages.tolist() == [0, 11, 0, 21]
    assert with_logprobs(sequence, [-5.0, -6.0]).logprobs.tolist() == [0, -5, 0, -6]
    with pytest.raises(DataError, match="2 sampled tokens"):
        add_to_advantages(sequence, [1.0])


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
    sequences = training_sequences(episode, np.arange(len(turns)))
    found = [
        (sequence.tokens[:t].tolist(), int(sequence.tokens[t]), sequence.logprobs[t])
        for sequence in sequences
        for t in np.flatnonzero(sequence.sampled)
    ]
    expected = [
        (turn.observation.to_ints() + list(turn.action.tokens[:i]), token, -float(k))
        for k, turn in enumerate(turns)
        for i, token in enumerate(turn.action.tokens)
    ]
    assert found == expected
