"""Small environments and groups for tests of rollouts."""

import asyncio
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import tinker
from attrs import define, field

from tinker_rl import (
    Action,
    EngineTokenCompleter,
    Env,
    EnvGroupBuilder,
    RolloutConfig,
    Sampling,
    StepResult,
    StopReason,
    run_group,
)
from tinker_rl.trajectory import TrajectoryGroup
from tinker_train import Metrics

END = 9


def tokens(*ids: int) -> tinker.ModelInput:
    return tinker.ModelInput.from_ints(list(ids))


@define
class Counting(Env):
    """Shows its number, then what was said and 5, so many times; each turn earns 1."""

    start: int = 1
    turns: int = 2
    seen: list[int] = field(factory=list)

    async def initial_observation(self) -> tuple[tinker.ModelInput, list[int]]:
        self.seen = [self.start]
        return tokens(*self.seen), [END]

    async def step(self, action: Action) -> StepResult:
        self.seen += [*action.tokens, 5]
        self.turns -= 1
        if self.turns == 0:
            return StepResult(reward=1, episode_done=True)
        return StepResult(
            reward=1,
            episode_done=False,
            next_observation=tokens(*self.seen),
            next_stop_condition=[END],
        )

    async def stopped(self, reason: StopReason) -> tuple[float, Metrics]:
        return -0.5, {"stopped": 1.0}


@define
class Group(EnvGroupBuilder):
    """Environments by a function of their index and of how often that one was made before."""

    make: Callable[[int, int], Env]
    size: int = 2
    shares: bool = False
    single: bool = True
    cleaned: list[int] = field(factory=list)
    made: int = 0
    remade: int = 0

    async def make_envs(self) -> Sequence[Env]:
        self.made += 1
        return [self.make(index, self.made - 1) for index in range(self.size)]

    async def remake_env(self, index: int) -> Env | None:
        self.remade += 1
        return self.make(index, self.remade) if self.single else None

    async def cleanup(self, envs_G: Sequence[Env]) -> None:
        self.cleaned.append(len(envs_G))

    def logging_tags(self) -> list[str]:
        return ["counting"]

    def shares_prompt(self) -> bool:
        return self.shares


def answer(prompt: list[int], sample: int) -> list[int]:
    return [2, END]


def run_alone(
    builder: EnvGroupBuilder, sampler: Any, sampling: Sampling | None = None, **config: Any
) -> TrajectoryGroup:
    """One group, in a loop that must be empty afterwards."""

    async def main() -> TrajectoryGroup:
        policy = EngineTokenCompleter(sampler, sampling or Sampling())
        try:
            return await run_group(policy, builder, RolloutConfig(**config), (0,))
        finally:
            assert asyncio.all_tasks() == {asyncio.current_task()}, "a task was left behind"

    return asyncio.run(main())


@define
class Hangs(Counting):
    """Never answers its second turn."""

    async def step(self, action: Action) -> StepResult:
        if self.turns == 1:
            await asyncio.Event().wait()
        return await super().step(action)


@define
class Breaks(Counting):
    """Raises at its second turn."""

    async def step(self, action: Action) -> StepResult:
        if self.turns == 1:
            raise TimeoutError("sandbox down")
        return await super().step(action)


@pytest.fixture
def worlds() -> SimpleNamespace:
    """The environments and groups of this module."""
    names = (tokens, Counting, Group, answer, run_alone, Hangs, Breaks)
    return SimpleNamespace(**{each.__name__: each for each in names})
