"""The ports that a user fills in: an environment, groups of them, and data sets of groups."""

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
    """What the world answers to an action."""

    reward: float = field(converter=float)
    episode_done: bool
    next_observation: Observation | None = None
    next_stop_condition: StopCondition | None = None
    stop: StopReason = _COMPLETED
    """Why the episode is done, where it is."""
    metrics: Metrics = field(factory=dict)
    logs: Logs = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        missing = self.next_observation is None or self.next_stop_condition is None
        if missing and not self.episode_done:
            raise DataError("the episode is not done, but there is no next observation and stop")


class Env(ABC):
    """One episode. It is used once: a new episode takes a new environment.

    What its methods raise counts as `EnvironmentFailure`. A method without an `await` in it runs in
    a thread of its own, where it may block; beside others, so what environments share has to bear
    that, and asyncio's own queues and events do not. One that awaits shares the event loop: where
    it computes for long or waits in between, it holds up all other episodes. A warning says so,
    `time/environments` in the metrics for how long, and `in_threads` is the way out.
    """

    @abstractmethod
    async def initial_observation(self) -> tuple[Observation, StopCondition] | StepResult:
        """The first prompt, and where the model's turn ends.

        Or a result that is done, where the episode is over before the model's first turn.
        """

    @abstractmethod
    async def step(self, action: Action) -> StepResult:
        """What comes of the model's turn; `action.tokens` end with the stop token, if it came."""

    async def stopped(self, reason: StopReason) -> tuple[float, Metrics]:
        """A last reward where a limit ended the episode; nothing, unless a subclass says so."""
        return 0.0, {}


class BlockingEnv(Protocol):
    """An environment in plain functions, which may block; `in_threads` makes it an `Env`."""

    def initial_observation(self) -> tuple[Observation, StopCondition] | StepResult:
        """As in `Env`."""
        ...

    def step(self, action: Action) -> StepResult:
        """As in `Env`."""
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
    """The class that a user wrote, inside what is wrapped around it here."""
    inside = getattr(env, "wrapped", None)
    return type(env) if inside is None else user_class(inside)


def in_threads(env: Env | BlockingEnv) -> Env:
    """The same environment, all its methods run in threads beside the event loop: they may block.

    An async method has an event loop of its own for each call; what belongs to a loop, as a
    connection or a lock, must not be kept between calls or shared with other environments. A thread
    cannot be ended from outside: where `step` never returns, the episode's time limit ends the
    episode, and the thread is left behind until the process ends.
    """
    return _ThreadedEnv(env)


def _to_its_end(method: Callable[..., Any], *args: Any) -> Any:
    result = method(*args)
    return asyncio.run(result) if inspect.iscoroutine(result) else result


class EnvGroupBuilder(ABC):
    """Makes the environments of one group: attempts at one problem, or the players of one game.

    A builder is used many times, also at once; what belongs to one use lies in the environments.
    """

    @abstractmethod
    async def make_envs(self) -> Sequence[Env]:
        """New environments, one for each attempt."""

    async def remake_env(self, index: int) -> Env | None:
        """A new environment in the place of one that broke; None where only the whole group can be
        made again."""
        return None

    async def compute_group_rewards(
        self, trajectories_G: Sequence[Trajectory], envs_G: Sequence[Env]
    ) -> Sequence[tuple[float, Metrics]]:
        """What each attempt earns beside its own rewards; nothing, unless a subclass says so.

        An episode that was dropped is in neither sequence.
        """
        return [(0.0, {})] * len(trajectories_G)

    async def cleanup(self, envs_G: Sequence[Env]) -> None:
        """Called once for all that was made, however the group ended."""
        return None

    def logging_tags(self) -> Sequence[str]:
        """Under which names the group's metrics are gathered, beside `all`."""
        return ()

    def shares_prompt(self) -> bool:
        """Whether all first observations are equal and come at once; one call samples them then."""
        return False
