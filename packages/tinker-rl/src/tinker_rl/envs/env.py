"""The interfaces of environments: `Env` for an episode, `EnvGroupBuilder` for a group."""

from __future__ import annotations

import asyncio
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from attrs import field, frozen

from tinker_core import DataError
from tinker_rl.stop_reason import Completed, StopReason
from tinker_rl.trajectory import Action, Logs, Observation, StopCondition, Trajectory
from tinker_rl.user_code import in_thread
from tinker_train import Metrics

_COMPLETED = Completed()


@frozen(kw_only=True)
class StepResult:
    """The result of an action."""

    reward: float = field(converter=float)
    episode_done: bool
    next_observation: Observation | None = None
    next_stop_condition: StopCondition | None = None
    stop: StopReason = _COMPLETED
    """The reason for the end of the episode, if it has ended."""
    metrics: Metrics = field(factory=dict)
    logs: Logs = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        missing = self.next_observation is None or self.next_stop_condition is None
        if missing and not self.episode_done:
            raise DataError(
                "the episode is not done, but next_observation or next_stop_condition is missing"
            )


class Env(ABC):
    """One episode, used once.

    Exceptions of its methods count as `EnvironmentFailure`. A method without an `await` in it runs
    in a thread of its own, where it may block. Objects that environments share must therefore be
    thread-safe; asyncio's queues and events are not. A method with an `await` runs on the event
    loop and must not block it. A warning names the class that does, `time/environments` in the
    metrics is for how long, and `in_threads` moves all methods to threads.
    """

    @abstractmethod
    async def initial_observation(self) -> tuple[Observation, StopCondition] | StepResult:
        """The first prompt and the stop condition of the model's turn.

        A result that is done ends the episode before the model's first turn.
        """

    @abstractmethod
    async def step(self, action: Action) -> StepResult:
        """The result of the model's turn. `action.tokens` include the stop token, if sampled."""

    async def stopped(self, reason: StopReason) -> tuple[float, Metrics]:
        """Reward and metrics of an episode that a limit ended. By default, none."""
        return 0.0, {}


class BlockingEnv(Protocol):
    """An environment of plain functions, which may block. `in_threads` makes it an `Env`."""

    def initial_observation(self) -> tuple[Observation, StopCondition] | StepResult:
        """See `Env`."""
        ...

    def step(self, action: Action) -> StepResult:
        """See `Env`."""
        ...


@frozen
class _ThreadedEnv(Env):
    wrapped: Env | BlockingEnv

    async def initial_observation(self) -> tuple[Observation, StopCondition] | StepResult:
        return await in_thread(_to_its_end, self.wrapped.initial_observation)

    async def step(self, action: Action) -> StepResult:
        return await in_thread(_to_its_end, self.wrapped.step, action)

    async def stopped(self, reason: StopReason) -> tuple[float, Metrics]:
        if not isinstance(self.wrapped, Env):
            return await super().stopped(reason)
        return await in_thread(_to_its_end, self.wrapped.stopped, reason)


def user_class(env: object) -> type:
    """The user's class inside the wrappers of this package."""
    inside = getattr(env, "wrapped", None)
    return type(env) if inside is None else user_class(inside)


def in_threads(env: Env | BlockingEnv) -> Env:
    """Run all methods of an environment in threads, so that they may block.

    Each call of an async method has its own event loop, so objects that belong to a loop, such as
    connections and locks, must not be kept between calls or shared with other environments. A
    thread cannot be stopped from outside: if `step` never returns, the time limit ends the episode,
    and the thread stays until the process ends.
    """
    return _ThreadedEnv(env)


def _to_its_end(method: Callable[..., Any], *args: Any) -> Any:
    result = method(*args)
    return asyncio.run(result) if inspect.iscoroutine(result) else result


class EnvGroupBuilder(ABC):
    """Makes the environments of one group: attempts at one problem, or the players of one game.

    A builder is used many times, also concurrently. State belongs into the environments.
    """

    @abstractmethod
    async def make_envs(self) -> Sequence[Env]:
        """New environments, one for each episode."""

    async def remake_env(self, index: int) -> Env | None:
        """A new environment in the place of one that failed.

        None if the episodes depend on each other, so that the whole group has to be made again.
        """
        return None

    async def compute_group_rewards(
        self, trajectories_G: Sequence[Trajectory], envs_G: Sequence[Env]
    ) -> Sequence[tuple[float, Metrics]]:
        """Reward and metrics of each episode in comparison with the others. By default, none.

        Dropped episodes are in neither sequence.
        """
        return [(0.0, {})] * len(trajectories_G)

    async def cleanup(self, envs_G: Sequence[Env]) -> None:
        """Release the environments. It is called once for each `make_envs`, also after errors."""
        return None

    def logging_tags(self) -> Sequence[str]:
        """Names under which the group's metrics are averaged, beside `all`."""
        return ()

    def shares_prompt(self) -> bool:
        """True if all first observations are equal. One call then samples all first turns."""
        return False
