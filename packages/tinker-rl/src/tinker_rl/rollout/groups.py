"""Groups of episodes, run together: bounded, in order, by the policy for those that fail."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tinker_core import DataError
from tinker_rl.completers import TokenCompleter
from tinker_rl.concurrency import all_of
from tinker_rl.envs.env import EnvGroupBuilder
from tinker_rl.errors import EnvironmentFailure
from tinker_rl.rollout.episode import of_environment
from tinker_rl.rollout.group_episodes import GroupRun, run_episodes
from tinker_rl.rollout.rollout_config import RolloutConfig
from tinker_rl.rollout.seeds import Place
from tinker_rl.trajectory import EpisodeFailure, Trajectory, TrajectoryGroup
from tinker_rl.user_code import call


async def run_groups(
    policy: TokenCompleter,
    builders_P: Sequence[EnvGroupBuilder],
    config: RolloutConfig,
    place: Place,
) -> list[TrajectoryGroup]:
    """The groups of all builders, in the builders' order; group p is at `(*place, p)`."""
    free = asyncio.Semaphore(config.max_concurrent_groups)

    async def run(index: int, builder: EnvGroupBuilder) -> TrajectoryGroup:
        async with free:
            return await run_group(policy, builder, config, (*place, index))

    return await all_of(run(index, builder) for index, builder in enumerate(builders_P))


async def run_group(
    policy: TokenCompleter, builder: EnvGroupBuilder, config: RolloutConfig, place: Place
) -> TrajectoryGroup:
    """The episodes of one builder, and their group rewards.

    Where everything failed and may be dropped, a group without trajectories that lists its
    failures. Raises EnvironmentFailure under the policy "fail".
    """
    attempts = 1 + config.max_retries if config.on_failed_episode == "retry" else 1
    for attempt in range(attempts):
        try:
            run = GroupRun(policy, builder, config, (*place, attempt))
            return await _run_once(run, attempt)
        except EnvironmentFailure as error:
            problem = f"group at {'/'.join(map(str, place))}: {error}"
            if config.on_failed_episode == "fail":
                raise EnvironmentFailure(problem) from error.__cause__
    return TrajectoryGroup(
        trajectories=(),
        group_rewards=(),
        group_metrics=(),
        tags=tuple(builder.logging_tags()),
        failures=(EpisodeFailure(problem=problem, attempts=attempts),),
        retries=attempts - 1,
    )


async def _run_once(run: GroupRun, attempt: int) -> TrajectoryGroup:
    try:
        run.made.extend(await of_environment(call(run.builder.make_envs), "make_envs()"))
        ended_G = await run_episodes(run)
        kept = [(e.outcome, e.env) for e in ended_G if isinstance(e.outcome, Trajectory)]
        trajectories_G = [trajectory for trajectory, _ in kept]
        rewarded = call(run.builder.compute_group_rewards, trajectories_G, [env for _, env in kept])
        rewards_G = await of_environment(rewarded, "compute_group_rewards()")
    finally:
        await of_environment(call(run.builder.cleanup, run.made), "cleanup()")
    if len(rewards_G) != len(kept):
        raise DataError(
            f"{run.builder!r:.80}: compute_group_rewards() gave {len(rewards_G)} rewards for "
            f"{len(kept)} trajectories"
        )
    return TrajectoryGroup(
        trajectories=tuple(trajectories_G),
        group_rewards=[reward for reward, _ in rewards_G],
        group_metrics=tuple(metrics for _, metrics in rewards_G),
        tags=tuple(run.builder.logging_tags()),
        failures=tuple(e.outcome for e in ended_G if isinstance(e.outcome, EpisodeFailure)),
        retries=attempt + sum(e.retries for e in ended_G),
    )
