"""Environments of other libraries, with those libraries: `nox -s adapters`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tinker
from attrs import frozen
from tinker import types

from tinker_core import ConfigError
from tinker_render import Renderer, get_renderer
from tinker_render.testing import QWEN3_MARKUP, byte_tokenizer
from tinker_rl import (
    EngineTokenCompleter,
    EnvironmentFailure,
    RolloutConfig,
    Sampling,
    TrajectoryGroup,
    run_group,
    stop_name,
    training_sequences,
)
from tinker_rl.adapters.reasoning_gym import ReasoningGym
from tinker_rl.adapters.textarena import TextArena, make_game
from tinker_rl.adapters.verifiers import Verifiers

Say = Callable[[str, int], str]


@pytest.fixture(scope="session")
def renderer() -> Renderer:
    """Qwen3's format, tools included, over one token a byte."""
    return get_renderer("qwen3_instruct", byte_tokenizer(QWEN3_MARKUP))


@frozen
class Scripted:
    """A SamplingClient that says what the script says, by the prompt's text and the sample."""

    renderer: Renderer
    say: Say

    def sample(self, prompt: tinker.ModelInput, num_samples: int, params: Any) -> Any:
        return self._answer(self.renderer.tokenizer.decode(prompt.to_ints()), num_samples, params)

    async def _answer(self, prompt: str, count: int, params: Any) -> types.SampleResponse:
        return types.SampleResponse(
            sequences=[self._sequence(self.say(prompt, i), params) for i in range(count)]
        )

    def _sequence(self, text: str, params: Any) -> types.SampledSequence:
        ids = self.renderer.tokenizer.encode(text, add_special_tokens=False)
        whole = [*ids, *self.renderer.get_stop_sequences()]
        kept = whole[: params.max_tokens]
        return types.SampledSequence(
            sequence_id="scripted",
            tokens_np=np.array(kept, dtype=np.int32),
            logprobs_np=np.full(len(kept), -1.0, dtype=np.float32),
            stop_reason="length" if len(whole) > len(kept) else "stop",
        )


def play(builder: Any, renderer: Renderer, say: Say, **limits: Any) -> TrajectoryGroup:
    async def main() -> TrajectoryGroup:
        policy = EngineTokenCompleter(Scripted(renderer, say), Sampling(max_tokens=128))
        group = await run_group(policy, builder, RolloutConfig(**limits), (0,))
        assert asyncio.all_tasks() == {asyncio.current_task()}, "a task was left behind"
        return group

    return asyncio.run(main())


def test_a_gyms_own_answer_earns_its_full_score(renderer: Renderer) -> None:
    gym = ReasoningGym(task="chain_sum", size=4, test_size=2, group_size=2, groups_per_batch=2)
    data = gym.build(renderer=renderer, seed=1)
    assert data.test is not None
    assert (len(data.train), len(data.test)) == (2, 1)
    (builder, _) = data.train.get_batch(0)
    reference = asyncio.run(builder.make_envs())[0].wrapped.entry["answer"]
    assert play(builder, renderer, lambda *_: f" {reference} ").rewards.tolist() == [1.0, 1.0]
    assert play(builder, renderer, lambda *_: "x").rewards.max() < 0.1


def test_a_gym_task_that_is_not_there_is_refused(renderer: Renderer) -> None:
    with pytest.raises(ConfigError, match="no_such_task"):
        ReasoningGym(task="no_such_task").build(renderer=renderer, seed=0)


def test_a_game_of_the_arena_is_played_to_its_end(renderer: Renderer) -> None:
    arena = TextArena(game="TicTacToe-v0", games_per_group=1, groups_per_batch=1, batches=1)
    (builder,) = arena.build(renderer=renderer, seed=0).train.get_batch(0)

    def say(prompt: str, _: int) -> str:
        free = prompt.rsplit("Available Moves: ", 1)[1].split("'")[1]
        return f"I take {free}"

    group = play(builder, renderer, say)
    # 0 2 4 6 of player 0 against 1 3 5: the diagonal 2 4 6
    assert group.rewards.tolist() == [1.0, -1.0]
    assert [len(t.transitions) for t in group.trajectories] == [4, 3]
    second = renderer.tokenizer.decode(group.trajectories[0].transitions[1].observation.to_ints())
    assert second.count("You are Player 0") == 1  # the rules are not repeated


def test_a_game_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="NoSuchGame"):
        make_game("NoSuchGame-v0", 2, 0)


VERIFIERS = '''
import verifiers as vf
from datasets import Dataset

def rows():
    return Dataset.from_list([{"question": f"{a}+1?", "answer": str(a + 1)} for a in range(4)])

def right(completion, answer, **kwargs) -> float:
    return float(completion[-1].content.strip() == answer)

def longest(completions, **kwargs) -> list[float]:
    lengths = [len(c[-1].content) for c in completions]
    return [float(length == max(lengths)) for length in lengths]

def add(a: int, b: int) -> int:
    """Add two numbers.

    Args:
        a: the first
        b: the second
    """
    return a + b

class Countdown(vf.MultiTurnEnv):
    async def setup_state(self, state, **kwargs):
        state["left"] = 2
        return state

    async def env_response(self, messages, state, **kwargs):
        if messages[-1].content == "break":
            raise vf.SandboxError("down")
        state["left"] -= 1
        return [vf.UserMessage(content=f"{state['left']} left")]

    @vf.stop
    async def is_over(self, state, **kwargs) -> bool:
        return state["left"] == 0

def load_environment(kind="single", **kwargs):
    rubric = vf.Rubric(funcs=[right])
    match kind:
        case "single":
            return vf.SingleTurnEnv(dataset=rows(), eval_dataset=rows(), rubric=rubric)
        case "group":
            return vf.SingleTurnEnv(dataset=rows(), rubric=vf.Rubric(funcs=[longest]))
        case "tools":
            return vf.ToolEnv(dataset=rows(), tools=[add], rubric=rubric, max_turns=3)
        case "turns":
            return Countdown(dataset=rows(), rubric=rubric, max_turns=5)
'''


@pytest.fixture
def first_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renderer: Renderer
) -> Callable[..., Any]:
    (tmp_path / "our_env.py").write_text(VERIFIERS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "our_env", raising=False)

    def build(kind: str) -> Any:
        env = Verifiers(environment="our-env", settings={"kind": kind}, group_size=2)
        return env.build(renderer=renderer, seed=0).train.get_batch(0)[0]

    return build


def said(group: TrajectoryGroup, renderer: Renderer, episode: int = 0) -> str:
    """The whole last prompt and answer of an episode."""
    last = group.trajectories[episode].transitions[-1]
    return renderer.tokenizer.decode([*last.observation.to_ints(), *last.action.tokens])


def test_an_environment_of_one_turn_is_graded_by_its_rubric(
    first_group: Callable[..., Any], renderer: Renderer
) -> None:
    builder = first_group("single")
    answer = builder.row["answer"]
    answers = iter([answer, "no"])
    group = play(builder, renderer, lambda *_: next(answers))
    assert sorted(group.rewards.tolist()) == [0.0, 1.0]
    assert [len(t.transitions) for t in group.trajectories] == [1, 1]
    assert {m["right"] for m in group.group_metrics} == {0.0, 1.0}
    assert group.tags == ("our-env",)


def test_a_rubric_may_compare_the_attempts_of_a_group(
    first_group: Callable[..., Any], renderer: Renderer
) -> None:
    answers = iter(["short", "much longer"])
    group = play(first_group("group"), renderer, lambda *_: next(answers))
    assert group.rewards.tolist() == [0.0, 1.0]


def test_an_environment_of_several_turns_is_one_sequence_to_train_on(
    first_group: Callable[..., Any], renderer: Renderer
) -> None:
    builder = first_group("turns")
    answer = builder.row["answer"]
    group = play(builder, renderer, lambda *_: answer)
    assert [len(t.transitions) for t in group.trajectories] == [3, 3]
    assert "0 left" in said(group, renderer)
    sequences = training_sequences(group.trajectories[0], [1.0, 1.0, 1.0])
    assert len(sequences) == 1
    assert group.rewards.tolist() == [1.0, 1.0]


def test_tools_are_called_by_the_environment(
    first_group: Callable[..., Any], renderer: Renderer
) -> None:
    builder = first_group("tools")
    a = int(builder.row["answer"]) - 1
    call = json.dumps({"name": "add", "arguments": {"a": a, "b": 1}})

    def say(prompt: str, _: int) -> str:
        if "<tool_response>\n" in prompt:
            return prompt.rsplit("<tool_response>\n", 1)[1].split("\n")[0]
        return f"<tool_call>\n{call}\n</tool_call>"

    group = play(builder, renderer, say)
    assert group.rewards.tolist() == [1.0, 1.0]
    assert group.group_metrics[0]["total_tool_calls"] == 1.0
    assert '"name": "add"' in said(group, renderer)  # the model was told of the tool


def test_an_answer_that_was_cut_short_ends_its_episode_and_is_graded(
    first_group: Callable[..., Any], renderer: Renderer
) -> None:
    group = play(first_group("turns"), renderer, lambda *_: "x" * 500)
    assert [stop_name(t.stop) for t in group.trajectories] == ["max_tokens"] * 2
    assert group.rewards.tolist() == [0.0, 0.0]


def test_a_limit_ends_an_episode_that_is_graded_as_it_stands(
    first_group: Callable[..., Any], renderer: Renderer
) -> None:
    builder = first_group("turns")
    answer = builder.row["answer"]
    group = play(builder, renderer, lambda *_: answer, max_turns=1)
    assert [stop_name(t.stop) for t in group.trajectories] == ["max_turns"] * 2
    assert group.rewards.tolist() == [1.0, 1.0]


def test_a_broken_sandbox_is_the_worlds_fault(
    first_group: Callable[..., Any], renderer: Renderer
) -> None:
    with pytest.raises(EnvironmentFailure, match="down"):
        play(first_group("turns"), renderer, lambda *_: "break")


def test_an_environment_that_is_not_there_is_refused(renderer: Renderer) -> None:
    with pytest.raises(ConfigError, match="no-such-env"):
        Verifiers(environment="no-such-env").build(renderer=renderer, seed=0)
