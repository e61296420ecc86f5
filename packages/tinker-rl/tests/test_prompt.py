"""Prompts: each token of an episode is in memory once, and no prompt changes."""

import tracemalloc
from typing import Any

import pytest
import tinker
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from tinker_rl import Action, Completed, Trajectory, Transition
from tinker_rl.prompt import Prompt, prompt_after, token_array

IMAGES = [
    tinker.types.ImageChunk(data=data, format="png", expected_tokens=2) for data in (b"a", b"b")
]


def model_input(pieces: list[Any]) -> tinker.ModelInput:
    chunks = [
        tinker.EncodedTextChunk(tokens=piece) if isinstance(piece, list) else piece
        for piece in pieces
    ]
    return tinker.ModelInput(chunks=chunks)


def tokens_and_images(observation: tinker.ModelInput) -> list[Any]:
    """Token by token, however the text is divided into chunks."""
    found: list[Any] = []
    for chunk in observation.chunks:
        is_text = isinstance(chunk, tinker.EncodedTextChunk)
        found += chunk.tokens if is_text else [chunk.data]
    return found


PIECES = st.lists(
    st.lists(st.integers(0, 2), min_size=1, max_size=3) | st.sampled_from(IMAGES), max_size=4
)


@given(st.lists(st.tuples(st.booleans(), PIECES, st.lists(st.integers(0, 2), max_size=3))))
def test_a_turn_shows_what_the_model_saw_and_holds_only_what_is_new(turns: Any) -> None:
    so_far: list[Any] = []
    observations, transitions = [], []
    for extends, pieces, sampled in turns:
        seen = [*so_far, *pieces] if extends else pieces
        observations.append(model_input(seen))
        action = Action(tokens=sampled, logprobs=[-1.0] * len(sampled))
        transitions.append(Transition(observation=observations[-1], action=action))
        so_far = [*seen, sampled] if sampled else seen
    trajectory = Trajectory(transitions=transitions, stop=Completed())
    before: list[Any] = []
    for turn, observation in zip(trajectory.transitions, observations, strict=True):
        assert tokens_and_images(turn.observation) == tokens_and_images(observation)
        assert turn.prompt.length == observation.length
        seen = tokens_and_images(observation)
        begins = bool(before) and seen[: len(before)] == before
        assert (turn.prompt.before is not None) == begins
        new = tokens_and_images(Prompt(new=turn.prompt.new).model_input())
        assert new == (seen[len(before) :] if begins else seen)
        before = [*seen, *turn.action.tokens]


def test_turns_that_are_changed_or_moved_keep_their_prompts(turn: Any, trajectory: Any) -> None:
    episode = trajectory(turn([1], [2]), turn([1, 2, 3], [4]), turn([1, 2, 3, 4, 5], [6]))
    first, second, third = episode.transitions
    said = evolve(first, action=Action(tokens=[7], logprobs=[-1.0]))
    changed = trajectory(said, second, third).transitions
    assert [t.observation.to_ints() for t in changed] == [[1], [1, 2, 3], [1, 2, 3, 4, 5]]
    assert [t.prompt.before is None for t in changed] == [True, True, False]
    (alone,) = trajectory(third).transitions
    assert alone.prompt.before is None
    assert alone == third


def test_an_episode_of_a_hundred_turns_and_100_000_tokens_takes_a_few_hundred_kilobytes() -> None:
    tracemalloc.start()
    try:
        turns: list[Transition] = []
        for k in range(100):
            seen = (
                [*turns[-1].prompt.model_input().to_ints(), *turns[-1].action.tokens] if k else []
            )
            prompt = Prompt(new=(token_array([*seen, *range(k, k + 900)]),))
            if turns:
                prompt = prompt_after(turns[-1].prompt, turns[-1].action.token_array, prompt)
            action = Action(tokens=range(100), logprobs=[-1.0] * 100)
            turns.append(Transition(observation=prompt, action=action))
        del seen, prompt
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert turns[-1].prompt.length + 100 == 100_000
    assert size < 700_000


def test_lengths_are_those_of_the_whole_prompt() -> None:
    action = Action(tokens=[1, 2], logprobs=[-0.5, -1.0])
    assert len(action) == 2
    assert bool(Action(tokens=[], logprobs=[]))
    with pytest.raises(TypeError, match="unhashable"):
        hash(Prompt(new=()))
