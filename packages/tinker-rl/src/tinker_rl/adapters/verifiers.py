"""Environments of `verifiers` (extra `verifiers`): one turn, several turns, tools.

An environment of verifiers drives its own rollout and asks a client for each turn. Here that client
passes the question to the trained policy. Everything between two turns is the environment's own
code, and its rubric gives the rewards, group rewards included.

The API is that of `load_environment`, which verifiers has up to 0.3.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from attrs import define, field, frozen, validators

from tinker_core import ConfigError, CutShort, DataError, Malformed, Message, ToolSpec
from tinker_render import Renderer
from tinker_rl.data.dataset import GroupBatches, RLData
from tinker_rl.envs.env import Env, EnvGroupBuilder, StepResult
from tinker_rl.envs.message_env import MessageEnv, Messages, MessageStep, as_token_env, stop_of
from tinker_rl.errors import EnvironmentFailure
from tinker_rl.trajectory import Action, Observation, StopCondition, Trajectory
from tinker_train import Metrics


@frozen(kw_only=True)
class Verifiers:
    """An `RLDatasetBuilder` of one environment of verifiers."""

    environment: str
    """Name of the environment for `load_environment`."""
    settings: Mapping[str, Any] = field(factory=dict)
    """Arguments of the environment."""
    size: int = field(default=-1, validator=validators.ge(-1))
    """Training rows; -1 means all."""
    test_size: int = field(default=0, validator=validators.ge(0))
    """Rows of its evaluation data for the test set."""
    group_size: int = field(default=8, validator=validators.ge(1))
    """Attempts at each row."""
    groups_per_batch: int = field(default=8, validator=validators.ge(1))
    """Rows in a batch."""

    def build(self, *, renderer: Renderer, seed: int) -> RLData:
        """The rows, shuffled by the seed. Raises ConfigError for an unknown environment."""
        environment = load(self.environment, self.settings)

        def batches(rows: Any, size: int) -> GroupBatches:
            groups = [
                VerifiersGroup(environment, dict(row), renderer, size, self.environment)
                for row in rows
            ]
            return GroupBatches(groups, self.groups_per_batch)

        test = environment.get_eval_dataset(n=self.test_size) if self.test_size else None
        return RLData(
            train=batches(environment.get_dataset(n=self.size, seed=seed), self.group_size),
            test=None if test is None else batches(test, 1),
        )


def load(name: str, settings: Mapping[str, Any]) -> Any:
    """The environment. Raises ConfigError if verifiers or the environment is not installed."""
    try:
        load_environment = importlib.import_module("verifiers").load_environment
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"pip install tinker-rl[verifiers] ({error})") from error
    try:
        return load_environment(name, **settings)
    except (ValueError, ImportError, AttributeError, TypeError, RuntimeError) as error:
        raise ConfigError(f"verifiers environment {name!r}: {error}") from error


@frozen
class VerifiersGroup(EnvGroupBuilder):
    """Attempts at one row of an environment's data."""

    environment: Any
    row: Mapping[str, Any]
    renderer: Renderer
    num_envs: int
    name: str

    async def make_envs(self) -> Sequence[Env]:
        """Rollouts that have not started."""
        return [self._env() for _ in range(self.num_envs)]

    async def remake_env(self, index: int) -> Env | None:
        """A new rollout: attempts are independent of each other."""
        return self._env()

    async def compute_group_rewards(
        self, trajectories_G: Sequence[Trajectory], envs_G: Sequence[Env]
    ) -> Sequence[tuple[float, Metrics]]:
        """The rewards of the environment's rubric. Raises EnvironmentFailure without a state."""
        states_G = [await env.rollout.end() for env in envs_G if isinstance(env, _VerifiersEnv)]
        if states_G:
            await self.environment.rubric.score_group(states_G)
        return [
            (float(state["reward"]), {k: float(v) for k, v in (state["metrics"] or {}).items()})
            for state in states_G
        ]

    async def cleanup(self, envs_G: Sequence[Env]) -> None:
        """Stop the rollouts that still run."""
        for env in envs_G:
            if isinstance(env, _VerifiersEnv):
                await env.rollout.stop()

    def logging_tags(self) -> Sequence[str]:
        """The environment's name."""
        return (self.name,)

    def _env(self) -> Env:
        rollout = _Rollout(self.environment, self.row)
        return _VerifiersEnv(rollout, as_token_env(rollout, self.renderer))


@define
class _Rollout(MessageEnv):
    """A rollout of verifiers as a task that stops at each question."""

    environment: Any
    row: Mapping[str, Any]
    _exchange: Any = None
    _task: asyncio.Task[Any] | None = None
    _question: Any = None
    """The last question."""

    async def initial_messages(self) -> Messages | MessageStep:
        client = importlib.import_module("tinker_rl.adapters.verifiers_client")
        self._exchange = client.Exchange()
        self._task = asyncio.create_task(self._run(client.ExchangeClient(self._exchange)))
        question = await self._next()
        return MessageStep(episode_done=True) if question is None else question.prompt

    async def step(self, message: Message) -> MessageStep:
        said = (*self._question.prompt, message)
        await self._exchange.answers.put((message, False))
        question = await self._next()
        if question is None:
            return MessageStep(episode_done=True)
        if question.prompt[: len(said) - 1] != said[:-1]:
            raise DataError(
                f"{self.environment!r:.80} rewrites earlier messages, so it cannot be trained on"
            )
        return MessageStep(episode_done=False, messages=question.prompt[len(said) :])

    async def unparsed(self, outcome: CutShort | Malformed) -> MessageStep:
        """Pass the outcome to the environment, which grades it, and end the episode."""
        await self._exchange.answers.put((outcome.message, True))
        await self._next()
        return MessageStep(episode_done=True, stop=stop_of(outcome))

    def tools(self) -> Sequence[ToolSpec]:
        return () if self._question is None else self._question.tools

    async def end(self) -> Any:
        """Stop the rollout and return its state. Raises EnvironmentFailure without a state."""
        await self.stop()
        state = None if self._question is None else self._question.state
        if state is None:
            raise EnvironmentFailure("the rollout ended before the model's first turn")
        return state

    async def stop(self) -> None:
        """Cancel the task if it still runs."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self, client: Any) -> None:
        try:
            state = await self.environment.rollout(dict(self.row), client, "policy")
        finally:
            await self._exchange.questions.put(None)
        if isinstance(state["error"], importlib.import_module("verifiers").InfraError):
            raise EnvironmentFailure(f"verifiers: {state['error']!r}") from state["error"]

    async def _next(self) -> Any:
        """The environment's next question; None after its end."""
        assert self._task is not None
        question = await self._exchange.questions.get()
        if question is None:
            await self._task  # raises what the rollout raised
        else:
            self._question = question
        return question


@frozen(eq=False)
class _VerifiersEnv(Env):
    rollout: _Rollout
    in_tokens: Env

    async def initial_observation(self) -> tuple[Observation, StopCondition] | StepResult:
        return await self.in_tokens.initial_observation()

    async def step(self, action: Action) -> StepResult:
        return await self.in_tokens.step(action)
