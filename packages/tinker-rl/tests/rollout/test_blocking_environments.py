"""Environments that block, in threads and on the event loop."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import tinker
from attrs import define

from tinker_rl import (
    Action,
    Completed,
    Env,
    EnvironmentFailure,
    StepResult,
    StopReason,
    TimeOut,
    in_threads,
    rollout_metrics,
)
from tinker_train import Metrics

END = 9


@define
class Sleeps:
    """A blocking environment whose step takes its time without telling the event loop."""

    seconds: float

    def initial_observation(self) -> tuple[tinker.ModelInput, list[int]]:
        return tinker.ModelInput.from_ints([1]), [END]

    def step(self, action: Action) -> StepResult:
        time.sleep(self.seconds)
        return StepResult(reward=1, episode_done=True)


def test_a_step_that_blocks_does_not_stall_the_others(
    worlds: Any, scripted: Callable[..., Any]
) -> None:
    """1 blocks for a minute in a thread; 2 is done; the limit ends 1, and the process may end."""
    builder = worlds.Group(lambda i, n: in_threads(Sleeps(0.0 if i else 60.0)))
    group = worlds.run_alone(builder, scripted(worlds.answer), episode_seconds=0.3)
    assert [type(t.stop) for t in group.trajectories] == [TimeOut, Completed]


@define
class AsyncBlocks(Env):
    """An async environment whose step blocks all the same."""

    block: Callable[[], Any]

    async def initial_observation(self) -> tuple[tinker.ModelInput, list[int]]:
        return tinker.ModelInput.from_ints([1]), [END]

    async def step(self, action: Action) -> StepResult:
        self.block()
        await asyncio.sleep(0)
        return StepResult(reward=1, episode_done=True)

    async def stopped(self, reason: StopReason) -> tuple[float, Metrics]:
        return 7.0, {}


@define
class Meets(Env):
    """An async environment that blocks, and has nothing to await."""

    meet: threading.Barrier

    async def initial_observation(self) -> tuple[tinker.ModelInput, list[int]]:
        return tinker.ModelInput.from_ints([1]), [END]

    async def step(self, action: Action) -> StepResult:
        self.meet.wait()
        return StepResult(reward=1, episode_done=True)


def test_async_steps_without_an_await_may_block(worlds: Any, scripted: Callable[..., Any]) -> None:
    """20 episodes block, each until all of them do: as they stand, without `in_threads`."""
    meet = threading.Barrier(20, timeout=30)
    group = worlds.run_alone(
        worlds.Group(lambda i, n: Meets(meet), size=20), scripted(worlds.answer)
    )
    assert group.rewards.tolist() == [1.0] * 20


def test_others_go_on_while_a_step_sleeps(worlds: Any, scripted: Callable[..., Any]) -> None:
    """1 sleeps until 2 has gone through its 50 turns."""
    done = threading.Event()

    class Waits(worlds.Counting):
        async def step(self, action: Action) -> StepResult:
            while not done.is_set():
                time.sleep(0.001)
            return StepResult(reward=1, episode_done=True)

    class Ends(worlds.Counting):
        async def step(self, action: Action) -> StepResult:
            result = await super().step(action)
            if result.episode_done:
                done.set()
            return result

    builder = worlds.Group(lambda i, n: Ends(turns=50) if i else Waits())
    group = worlds.run_alone(builder, scripted(worlds.answer), episode_seconds=60)
    assert [t.stop for t in group.trajectories] == [Completed(), Completed()]
    assert group.rewards.tolist() == [1.0, 50.0]


def test_the_environment_that_keeps_the_loop_is_named(
    worlds: Any, scripted: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """1 and 2 block for over a second before their await; one message names their class."""
    worlds.run_alone(
        worlds.Group(lambda i, n: AsyncBlocks(lambda: time.sleep(1.01))), scripted(worlds.answer)
    )
    assert len(caplog.records) == 1
    assert "AsyncBlocks blocked the event loop" in caplog.text


def test_async_steps_that_block_run_side_by_side_in_threads(
    worlds: Any, scripted: Callable[..., Any]
) -> None:
    """20 episodes block, each until all of them do."""
    meet = threading.Barrier(20, timeout=30)
    builder = worlds.Group(lambda i, n: in_threads(AsyncBlocks(meet.wait)), size=20)
    assert worlds.run_alone(builder, scripted(worlds.answer)).rewards.tolist() == [1.0] * 20


def test_time_that_environments_keep_to_themselves_is_counted(
    worlds: Any, scripted: Callable[..., Any]
) -> None:
    """3 episodes block the event loop for 0.05 s each; in threads they do not."""

    def seconds(wrap: Callable[[Env], Env]) -> float:
        builder = worlds.Group(lambda i, n: wrap(AsyncBlocks(lambda: time.sleep(0.05))), size=3)
        return rollout_metrics([worlds.run_alone(builder, scripted(worlds.answer))])[
            "time/environments"
        ]

    assert seconds(lambda env: env) >= 0.15 > seconds(in_threads)


def test_a_threaded_environment_has_its_last_word(
    worlds: Any, scripted: Callable[..., Any]
) -> None:
    """The limit strikes while step() blocks; stopped() gives 7."""
    go_on = threading.Event()
    builder = worlds.Group(lambda i, n: in_threads(AsyncBlocks(lambda: go_on.wait(60))), size=1)
    group = worlds.run_alone(builder, scripted(worlds.answer), episode_seconds=0.3)
    go_on.set()
    assert group.rewards.tolist() == [7.0]


@define
class Raises:
    """A blocking environment that breaks."""

    error: BaseException

    def initial_observation(self) -> tuple[tinker.ModelInput, list[int]]:
        raise self.error

    def step(self, action: Action) -> StepResult:
        raise NotImplementedError


@pytest.mark.parametrize("error", [KeyError("key"), StopIteration()])
def test_what_is_raised_in_a_thread_arrives(
    worlds: Any, error: BaseException, scripted: Callable[..., Any]
) -> None:
    """initial_observation() raises in its thread."""
    builder = worlds.Group(lambda i, n: in_threads(Raises(error)))
    with pytest.raises(EnvironmentFailure, match=type(error).__name__):
        worlds.run_alone(builder, scripted(worlds.answer))
