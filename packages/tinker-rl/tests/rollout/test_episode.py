"""Episodes with scripted samplers: turns, limits, seeds. Docstrings draw each episode."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import tinker
from attrs import define, evolve

from tinker_rl import (
    Action,
    Completed,
    ContextOverflow,
    Env,
    MaxTokens,
    MaxTurns,
    Sampling,
    StepResult,
    StopReason,
    TimeOut,
)
from tinker_train import Metrics

END = 9


def test_turns_alternate_until_the_environment_is_done(
    worlds: Any, scripted: Callable[..., Any]
) -> None:
    """[1] -> 2 9 | 5 -> 2 9, done."""
    sampler = scripted(worlds.answer)
    group = worlds.run_alone(worlds.Group(lambda i, n: worlds.Counting()), sampler)
    for trajectory in group.trajectories:
        assert [t.observation.to_ints() for t in trajectory.transitions] == [[1], [1, 2, END, 5]]
        assert [t.action.tokens for t in trajectory.transitions] == [(2, END)] * 2
        assert trajectory.stop == Completed()
    assert group.rewards.tolist() == [2, 2]
    assert group.tags == ("counting",)


def test_every_turn_has_a_seed_of_its_own_and_the_same_one_again(
    worlds: Any,
    scripted: Callable[..., Any],
) -> None:
    """Two episodes of two turns: four seeds, equal when it is done again."""
    seeds = []
    for _ in range(2):
        sampler = scripted(worlds.answer)
        worlds.run_alone(worlds.Group(lambda i, n: worlds.Counting()), sampler)
        seeds.append(sorted(params.seed for _, _, params in sampler.calls))
    assert len(set(seeds[0])) == 4
    assert seeds[0] == seeds[1]


def test_a_limit_on_turns_leaves_the_environment_the_last_word(
    worlds: Any,
    scripted: Callable[..., Any],
) -> None:
    """Five turns wanted, three allowed."""
    group = worlds.run_alone(
        worlds.Group(lambda i, n: worlds.Counting(turns=5)), scripted(worlds.answer), max_turns=3
    )
    assert [t.stop for t in group.trajectories] == [MaxTurns(3)] * 2
    assert group.rewards.tolist() == [2.5, 2.5]  # 3 turns and -0.5
    assert group.trajectories[0].metrics == {"stopped": 1.0}


def test_the_engine_is_never_asked_for_more_than_the_window_holds(
    worlds: Any,
    scripted: Callable[..., Any],
) -> None:
    """Window 6: [1] has room for 5 tokens, [1 2 9 5] for 2, [1 2 9 5 2 9 5] for none."""
    sampler = scripted(worlds.answer)
    group = worlds.run_alone(
        worlds.Group(lambda i, n: worlds.Counting(turns=5), size=1),
        sampler,
        Sampling(max_tokens=4),
        context_window=6,
    )
    assert [params.max_tokens for _, _, params in sampler.calls] == [4, 2]
    assert group.trajectories[0].stop == ContextOverflow(7, 6)
    assert group.rewards.tolist() == [1.5]


def test_a_first_prompt_that_fills_the_window_is_an_episode_without_a_turn(
    worlds: Any,
    scripted: Callable[..., Any],
) -> None:
    """[1] in a window of 1."""
    sampler = scripted(worlds.answer)
    group = worlds.run_alone(
        worlds.Group(lambda i, n: worlds.Counting(), size=1), sampler, context_window=1
    )
    assert sampler.calls == []
    assert group.trajectories[0].transitions == ()
    assert group.rewards.tolist() == [-0.5]


def test_an_answer_cut_by_the_window_is_told_from_one_cut_by_max_tokens(
    worlds: Any,
    scripted: Callable[..., Any],
) -> None:
    """[1] -> an answer of 8 tokens that never ends, with room for 3."""

    @define
    class EndsShort(worlds.Counting):
        """Says that the model was cut short."""

        async def step(self, action: Action) -> StepResult:
            assert action.cut_short
            return StepResult(reward=0, episode_done=True, stop=MaxTokens())

    endless = scripted(lambda prompt, sample: [2] * 8)
    builder = worlds.Group(lambda i, n: EndsShort(), size=1)
    by_limit = worlds.run_alone(builder, endless, Sampling(max_tokens=2), context_window=4)
    assert by_limit.trajectories[0].stop == MaxTokens()
    by_window = worlds.run_alone(builder, endless, Sampling(max_tokens=5), context_window=4)
    assert by_window.trajectories[0].stop == ContextOverflow(1, 4)


def test_an_episode_that_hangs_is_ended_and_keeps_its_turns(
    worlds: Any, scripted: Callable[..., Any]
) -> None:
    """1: two turns, done. 2: one turn, then nothing for ever."""
    builder = worlds.Group(lambda i, n: worlds.Hangs() if i else worlds.Counting())
    group = worlds.run_alone(builder, scripted(worlds.answer), episode_seconds=0.1)
    assert [t.stop for t in group.trajectories] == [Completed(), TimeOut(0.1)]
    assert [len(t.transitions) for t in group.trajectories] == [2, 1]
    assert group.rewards.tolist() == [2.0, 0.5]


@define
class Tidies(Env):
    """Waits for ever, and tidies up when it is cancelled."""

    tidied: bool = False

    async def initial_observation(self) -> tuple[tinker.ModelInput, list[int]]:
        return tinker.ModelInput.from_ints([1]), [END]

    async def step(self, action: Action) -> StepResult:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)  # there is time to say goodbye
            self.tidied = True
            raise
        raise NotImplementedError


def test_an_environment_hears_that_its_time_is_up(
    worlds: Any, scripted: Callable[..., Any]
) -> None:
    """The limit strikes while step() waits."""
    env = Tidies()
    worlds.run_alone(
        worlds.Group(lambda i, n: env, size=1), scripted(worlds.answer), episode_seconds=0.1
    )
    assert env.tidied


@pytest.mark.parametrize("reward", [float("nan"), float("inf")])
def test_a_reward_that_is_not_finite_is_a_failed_episode(
    worlds: Any, reward: float, scripted: Callable[..., Any]
) -> None:
    """1 earns 1 a turn; 2 earns a number that is no reward, in its turn or at its end."""

    class NotFinite(worlds.Counting):
        async def step(self, action: Action) -> StepResult:
            return evolve(await super().step(action), reward=reward)

    class NotFiniteAtTheEnd(worlds.Counting):
        async def stopped(self, reason: StopReason) -> tuple[float, Metrics]:
            return reward, {}

    class NotFiniteAtTheStart(worlds.Counting):
        async def initial_observation(self) -> Any:
            return StepResult(reward=reward, episode_done=True)

    for broken, where in (
        (NotFinite, "step() of turn 0"),
        (NotFiniteAtTheEnd, "stopped()"),
        (NotFiniteAtTheStart, "initial_observation()"),
    ):
        builder = worlds.Group(lambda i, n, kind=broken: kind() if i else worlds.Counting())
        sampler = scripted(worlds.answer)
        group = worlds.run_alone(builder, sampler, on_failed_episode="drop", max_turns=1)
        assert group.rewards.tolist() == [0.5]
        (failure,) = group.failures
        assert f"{broken.__qualname__}.{where} gave the reward {reward}" in failure.problem


def test_a_final_reward_that_is_no_number_is_a_failed_episode(
    worlds: Any, scripted: Callable[..., Any]
) -> None:
    class Nothing(worlds.Counting):
        async def stopped(self, reason: StopReason) -> Any:
            return None, {}

    builder = worlds.Group(lambda i, n: Nothing(), size=1)
    sampler = scripted(worlds.answer)
    group = worlds.run_alone(builder, sampler, on_failed_episode="drop", max_turns=1)
    assert "stopped() gave the reward None" in group.failures[0].problem
