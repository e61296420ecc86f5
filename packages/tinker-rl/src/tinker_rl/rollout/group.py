"""Run groups of episodes concurrently, keep their order, and apply the failed-episode policy."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field, frozen

from tinker_core import DataError
from tinker_rl.completers import ManyTokenCompleter, TokenCompleter
from tinker_rl.envs.env import Env, EnvGroupBuilder, user_class
from tinker_rl.errors import EnvironmentFailure
from tinker_rl.rollout.episode import finite_reward, run_episode
from tinker_rl.rollout.rollout_config import RolloutConfig
from tinker_rl.rollout.seed import Place, seed_at
from tinker_rl.rollout.shared_first_turn import SharedFirstTurn
from tinker_rl.trajectory import EpisodeFailure, Trajectory, TrajectoryGroup
from tinker_rl.user_code import call_environment
from tinker_train import Metrics, gather, task_group


async def run_groups(
    policy: TokenCompleter,
    builders_P: Sequence[EnvGroupBuilder],
    config: RolloutConfig,
    place: Place,
) -> list[TrajectoryGroup]:
    """The groups of all builders, in the builders' order; group p is at `(*place, p)`."""
    groups = (
        run_group(policy, builder, config, (*place, p)) for p, builder in enumerate(builders_P)
    )
    return await gather(groups, limit=config.max_concurrent_groups)


async def run_group(
    policy: TokenCompleter, builder: EnvGroupBuilder, config: RolloutConfig, place: Place
) -> TrajectoryGroup:
    """The episodes of one builder, and their group rewards.

    An episode is retried alone if the builder can remake its environment. Otherwise, and if
    `make_envs` or `compute_group_rewards` fail, the whole group is. Both count towards
    `max_retries`. A group that fails too often has no trajectories and lists its failures. Raises
    EnvironmentFailure under the policy "fail".
    """
    for attempt in range(config.attempts):
        try:
            return await _GroupAttempt(policy, builder, config, place, attempt).run()
        except EnvironmentFailure as error:
            problem = f"group at {'/'.join(map(str, place))}: {error}"
            if config.on_failed_episode == "fail":
                raise EnvironmentFailure(problem) from error.__cause__
    return TrajectoryGroup(
        trajectories=(),
        group_rewards=(),
        group_metrics=(),
        tags=tuple(builder.logging_tags()),
        failures=(EpisodeFailure(problem=problem, attempts=config.attempts),),
        retries=config.attempts - 1,
    )


@frozen
class _Episode:
    """The outcome of one episode, and the environment of its last attempt."""

    outcome: Trajectory | EpisodeFailure
    env: Env
    retries: int


@frozen
class _Rewarded:
    """An episode with its group reward."""

    trajectory: Trajectory
    reward: float
    metrics: Metrics


@define
class _GroupAttempt:
    policy: TokenCompleter
    builder: EnvGroupBuilder
    config: RolloutConfig
    place: Place
    number: int
    """Counts from 0."""
    made: list[Env] = field(factory=list)
    """All environments to clean up."""

    async def run(self) -> TrajectoryGroup:
        """Make the environments, run their episodes concurrently, reward them, clean up."""
        builder = self.builder
        try:
            self.made += await call_environment("make_envs()", builder.make_envs)
            episodes = await self._run_episodes()
            rewarded = await self._group_rewards(episodes)
        finally:
            await call_environment("cleanup()", builder.cleanup, self.made)
        return TrajectoryGroup(
            trajectories=tuple(r.trajectory for r in rewarded if isinstance(r, _Rewarded)),
            group_rewards=[r.reward for r in rewarded if isinstance(r, _Rewarded)],
            group_metrics=tuple(r.metrics for r in rewarded if isinstance(r, _Rewarded)),
            tags=tuple(builder.logging_tags()),
            failures=tuple(r for r in rewarded if isinstance(r, EpisodeFailure)),
            retries=self.number + sum(e.retries for e in episodes),
        )

    async def _run_episodes(self) -> list[_Episode]:
        envs_G = tuple(self.made)
        policies_G = [self.policy] * len(envs_G)
        async with task_group() as tasks:
            if self.builder.shares_prompt() and isinstance(self.policy, ManyTokenCompleter):
                seed = seed_at((*self.place, self.number))
                shared = SharedFirstTurn(self.policy, len(envs_G), tasks, seed)
                policies_G = [shared.completer(g) for g in range(len(envs_G))]
            running = [
                tasks.create_task(self._run_with_retries(g, env, policy))
                for g, (env, policy) in enumerate(zip(envs_G, policies_G, strict=True))
            ]
        return [task.result() for task in running]

    async def _run_with_retries(self, g: int, env: Env, policy: TokenCompleter) -> _Episode:
        """Run one episode, and retry it in a new environment.

        Raises EnvironmentFailure where the whole run or the whole group has to end with it.
        """
        retries = 0
        while True:
            attempt = self.number + retries
            try:
                outcome = await run_episode(policy, env, self.config, (*self.place, g, attempt))
                return _Episode(outcome, env, retries)
            except EnvironmentFailure as error:
                problem, cause = f"episode {g}: {error}", error.__cause__
            if self.config.on_failed_episode == "fail":
                raise EnvironmentFailure(problem) from cause
            if attempt + 1 == self.config.attempts:
                failure = EpisodeFailure(problem=problem, attempts=retries + 1)
                return _Episode(failure, env, retries)
            remade = await call_environment("remake_env()", self.builder.remake_env, g)
            if remade is None:  # only the whole group can be made again
                raise EnvironmentFailure(problem) from cause
            self.made.append(remade)
            env, policy, retries = remade, self.policy, retries + 1

    async def _group_rewards(
        self, episodes: Sequence[_Episode]
    ) -> list[_Rewarded | EpisodeFailure]:
        """Each episode with its group reward, or its failure."""
        doing = "compute_group_rewards()"
        played = [(e.outcome, e.env) for e in episodes if isinstance(e.outcome, Trajectory)]
        trajectories_G, envs_G = [t for t, _ in played], [env for _, env in played]
        rewards_G = await call_environment(
            doing, self.builder.compute_group_rewards, trajectories_G, envs_G
        )
        if len(rewards_G) != len(played):
            raise DataError(
                f"{self.builder!r:.80}: {doing} gave {len(rewards_G)} rewards for "
                f"{len(played)} trajectories"
            )
        given = iter(rewards_G)
        return [
            e.outcome
            if isinstance(e.outcome, EpisodeFailure)
            else self._rewarded(g, e, *next(given))
            for g, e in enumerate(episodes)
        ]

    def _rewarded(
        self, g: int, episode: _Episode, reward: float, metrics: Metrics
    ) -> _Rewarded | EpisodeFailure:
        """A reward that is not finite fails the group's attempt, or the episode in the last one."""
        assert isinstance(episode.outcome, Trajectory)
        builder, env = type(self.builder).__name__, user_class(episode.env).__qualname__
        doing = f"episode {g}, {env}: {builder}.compute_group_rewards()"
        try:
            reward = finite_reward(reward, doing)
            finite_reward(episode.outcome.reward + reward, f"{doing} with the episode's own")
        except EnvironmentFailure as error:
            if self.config.on_failed_episode == "fail" or self.number + 1 < self.config.attempts:
                raise
            return EpisodeFailure(problem=str(error), attempts=self.number + 1)
        return _Rewarded(episode.outcome, reward, metrics)
