"""The episodes of one group, side by side; one call samples a first turn that they share."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from attrs import define, field, frozen

from tinker_core import DataError
from tinker_rl.completers import ManyTokenCompleter, TokenCompleter
from tinker_rl.concurrency import unwrapped_errors
from tinker_rl.envs.env import Env, EnvGroupBuilder
from tinker_rl.errors import EnvironmentFailure
from tinker_rl.rollout.episode import of_environment, run_episode
from tinker_rl.rollout.rollout_config import RolloutConfig
from tinker_rl.rollout.seeds import Place, seed_at
from tinker_rl.trajectory import Action, EpisodeFailure, Observation, StopCondition, Trajectory
from tinker_rl.user_code import call


@define
class GroupRun:
    """One attempt at a group, and the environments that it has to clean up."""

    policy: TokenCompleter
    builder: EnvGroupBuilder
    config: RolloutConfig
    place: Place
    made: list[Env] = field(factory=list)


@frozen
class Ended:
    """How one of a group's episodes came out, in which environment, at which attempt."""

    outcome: Trajectory | EpisodeFailure
    env: Env
    retries: int


async def run_episodes(run: GroupRun) -> list[Ended]:
    """All episodes at once, in the order of the environments.

    Raises EnvironmentFailure where one fails that may neither be dropped nor made again alone.
    """
    envs_G: Sequence[Env] = tuple(run.made)
    with unwrapped_errors():
        async with asyncio.TaskGroup() as tasks:
            shared: _SharedFirstTurn | None = None
            if run.builder.shares_prompt() and isinstance(run.policy, ManyTokenCompleter):
                shared = _SharedFirstTurn(run.policy, len(envs_G), tasks, seed_at(run.place))
            running = [
                tasks.create_task(_run_to_end(run, index, env, shared))
                for index, env in enumerate(envs_G)
            ]
    return [task.result() for task in running]


async def _run_to_end(
    run: GroupRun, index: int, env: Env, shared: _SharedFirstTurn | None
) -> Ended:
    """One episode, made again as often as the policy for failures wants."""
    retries = 0
    while True:
        policy: TokenCompleter = run.policy
        if shared is not None and retries == 0:
            policy = _SharesFirstTurn(run.policy, shared, index)
        try:
            place = (*run.place, index, retries)
            return Ended(await run_episode(policy, env, run.config, place), env, retries)
        except EnvironmentFailure as error:
            failure = EpisodeFailure(problem=f"episode {index}: {error}", attempts=retries + 1)
            cause = error.__cause__
        match run.config.on_failed_episode:
            case "retry" if retries < run.config.max_retries:
                again = await of_environment(call(run.builder.remake_env, index), "remake_env()")
                if again is None:  # the whole group has to be made again
                    raise EnvironmentFailure(failure.problem) from cause
                run.made.append(again)
                env, retries = again, retries + 1
            case "fail":
                raise EnvironmentFailure(failure.problem) from cause
            case _:
                return Ended(failure, env, retries)


@define
class _SharedFirstTurn:
    """The first turns of a whole group by one call, made when the first episode asks."""

    policy: ManyTokenCompleter
    count: int
    tasks: asyncio.TaskGroup
    seed: int
    _asked: tuple[Observation, StopCondition] | None = None
    _answers: asyncio.Task[list[Action]] | None = None

    async def take(
        self, index: int, prompt: Observation, stop: StopCondition, max_tokens: int | None
    ) -> Action:
        if self._answers is None:
            self._asked = (prompt, stop)
            # a task of the group's: the call goes on where the episode that asked runs out of time
            self._answers = self.tasks.create_task(
                self.policy.many(prompt, stop, self.count, max_tokens=max_tokens, seed=self.seed)
            )
        elif self._asked != (prompt, stop):
            raise DataError(
                f"the group says that it shares its prompt, but episode {index} begins with another"
            )
        return (await asyncio.shield(self._answers))[index]


@define
class _SharesFirstTurn:
    """A TokenCompleter whose first answer is a share of the group's."""

    policy: TokenCompleter
    shared: _SharedFirstTurn
    index: int
    _first: bool = True

    async def __call__(
        self,
        prompt: Observation,
        stop: StopCondition,
        *,
        max_tokens: int | None = None,
        seed: int | None = None,
    ) -> Action:
        if self._first:
            self._first = False
            return await self.shared.take(self.index, prompt, stop, max_tokens)
        return await self.policy(prompt, stop, max_tokens=max_tokens, seed=seed)
