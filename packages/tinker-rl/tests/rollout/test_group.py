"""Groups: order, limits, retries, dropped episodes, group rewards."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import tinker
from attrs import define, evolve

from tinker_core import DataError, EngineError
from tinker_rl import (
    Action,
    EngineTokenCompleter,
    Env,
    EnvironmentFailure,
    RolloutConfig,
    StepResult,
    run_groups,
)
from tinker_rl.trajectory import TrajectoryGroup
from tinker_train import Metrics


def test_an_environment_that_raises_ends_the_run_and_says_where(
    worlds: Any,
    scripted: Callable[..., Any],
) -> None:
    """2 breaks at turn 1 while 1 hangs: nothing may be left behind."""
    builder = worlds.Group(lambda i, n: worlds.Breaks() if i else worlds.Hangs())
    with pytest.raises(
        EnvironmentFailure, match=r"at 0: episode 1: Breaks.step\(\) of turn 1: Time"
    ) as e:
        worlds.run_alone(builder, scripted(worlds.answer))
    assert isinstance(e.value.__cause__, TimeoutError)
    assert builder.cleaned == [2]


def test_a_failed_episode_can_be_dropped_and_is_counted(
    worlds: Any, scripted: Callable[..., Any]
) -> None:
    """1 is done, 2 breaks."""
    builder = worlds.Group(lambda i, n: worlds.Breaks() if i else worlds.Counting())
    group = worlds.run_alone(builder, scripted(worlds.answer), on_failed_episode="drop")
    assert [len(t.transitions) for t in group.trajectories] == [2]
    assert [f.attempts for f in group.failures] == [1]
    assert "sandbox down" in group.failures[0].problem


def test_only_the_episode_that_failed_is_made_again(
    worlds: Any, scripted: Callable[..., Any]
) -> None:
    """2 breaks twice, then is done; 1 is not disturbed."""
    builder = worlds.Group(lambda i, n: worlds.Breaks() if i == 1 and n < 2 else worlds.Counting())
    group = worlds.run_alone(
        builder, scripted(worlds.answer), on_failed_episode="retry", max_retries=2
    )
    assert len(group.trajectories) == 2
    assert (builder.made, builder.remade, group.retries) == (1, 2, 2)
    assert builder.cleaned == [4]


def test_what_fails_too_often_is_dropped(worlds: Any, scripted: Callable[..., Any]) -> None:
    """2 always breaks."""
    builder = worlds.Group(lambda i, n: worlds.Breaks() if i == 1 else worlds.Counting())
    group = worlds.run_alone(
        builder, scripted(worlds.answer), on_failed_episode="retry", max_retries=2
    )
    assert len(group.trajectories) == 1
    assert [f.attempts for f in group.failures] == [3]


def test_players_of_one_game_are_made_again_together(
    worlds: Any, scripted: Callable[..., Any]
) -> None:
    """2 breaks in the first game, and cannot be made alone."""
    builder = worlds.Group(
        lambda i, n: worlds.Breaks() if i == 1 and n < 1 else worlds.Counting(), single=False
    )
    group = worlds.run_alone(builder, scripted(worlds.answer), on_failed_episode="retry")
    assert len(group.trajectories) == 2
    assert (builder.made, group.retries) == (2, 1)
    assert builder.cleaned == [2, 2]


def test_a_group_that_cannot_be_made_fails_by_the_same_policy(
    worlds: Any,
    scripted: Callable[..., Any],
) -> None:
    """make_envs() always raises."""

    @define
    class NoEnvs(worlds.Group):
        """Cannot make an environment."""

        async def make_envs(self) -> Sequence[Env]:
            self.made += 1
            raise ConnectionError("no sandbox")

    builder = NoEnvs(lambda i, n: worlds.Counting())
    with pytest.raises(EnvironmentFailure, match=r"make_envs\(\): ConnectionError: no sandbox"):
        worlds.run_alone(builder, scripted(worlds.answer))
    group = worlds.run_alone(builder, scripted(worlds.answer), on_failed_episode="drop")
    assert group.trajectories == ()
    assert "no sandbox" in group.failures[0].problem
    assert group.retries == 0
    again = worlds.run_alone(
        builder, scripted(worlds.answer), on_failed_episode="retry", max_retries=2
    )
    assert (again.failures[0].attempts, again.retries) == (3, 2)


def test_a_failing_engine_is_nobodys_environment(worlds: Any, scripted: Callable[..., Any]) -> None:
    """The sampler is down: dropping episodes would train on nothing for ever."""

    def down(prompt: list[int], sample: int) -> list[int]:
        raise tinker.APIConnectionError(request=None)  # type: ignore[arg-type]

    with pytest.raises(EngineError, match="sample after a prompt of 1 tokens"):
        worlds.run_alone(
            worlds.Group(lambda i, n: worlds.Counting()), scripted(down), on_failed_episode="drop"
        )


def test_groups_run_side_by_side_bounded_and_come_back_in_order(
    worlds: Any,
    scripted: Callable[..., Any],
) -> None:
    """Twelve groups of two, three groups at once: six samples run at once, and never more."""
    sampler = scripted(worlds.answer, wait_for=6)
    builders = [worlds.Group(lambda i, n, p=p: worlds.Counting(start=20 + p)) for p in range(12)]

    async def main() -> list[TrajectoryGroup]:
        policy = EngineTokenCompleter(sampler)
        return await run_groups(policy, builders, RolloutConfig(max_concurrent_groups=3), (0,))

    groups = asyncio.run(main())
    firsts = [g.trajectories[0].transitions[0].observation.to_ints() for g in groups]
    assert firsts == [[20 + p] for p in range(12)]
    assert sampler.most_running == 6


def test_cancelling_the_caller_ends_everything(worlds: Any, scripted: Callable[..., Any]) -> None:
    """Two groups that hang, cancelled from outside."""
    builders = [worlds.Group(lambda i, n: worlds.Hangs()) for _ in range(2)]

    async def main() -> None:
        policy = EngineTokenCompleter(scripted(worlds.answer))
        task = asyncio.create_task(run_groups(policy, builders, RolloutConfig(), (0,)))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    assert [builder.cleaned for builder in builders] == [[2], [2]]


def test_a_group_adds_rewards_to_those_of_its_survivors(
    worlds: Any, scripted: Callable[..., Any]
) -> None:
    """1 breaks, 2 and 3 are done and compared."""

    @define
    class Compared(worlds.Group):
        """The attempts are compared: the last one wins."""

        async def compute_group_rewards(
            self, trajectories_G: Any, envs_G: Any
        ) -> list[tuple[float, Metrics]]:
            assert len(trajectories_G) == len(envs_G)
            return [(float(i), {"place": float(i)}) for i in range(len(trajectories_G))]

    builder = Compared(lambda i, n: worlds.Breaks() if i == 0 else worlds.Counting(), size=3)
    group = worlds.run_alone(builder, scripted(worlds.answer), on_failed_episode="drop")
    assert group.rewards.tolist() == [2.0, 3.0]
    assert group.group_metrics == ({"place": 0.0}, {"place": 1.0})


def test_a_missing_group_reward_is_an_error(worlds: Any, scripted: Callable[..., Any]) -> None:
    """Two episodes, one reward."""

    @define
    class Miscounts(worlds.Group):
        """Forgets a reward."""

        async def compute_group_rewards(
            self, trajectories_G: Any, envs_G: Any
        ) -> list[tuple[float, Metrics]]:
            return [(0.0, {})]

    with pytest.raises(DataError, match="gave 1 rewards for 2 trajectories"):
        worlds.run_alone(Miscounts(lambda i, n: worlds.Counting()), scripted(worlds.answer))


@pytest.mark.parametrize("reward", [float("inf"), float("nan"), None, "ten", 10**400])
def test_a_group_reward_that_is_not_finite_is_a_failed_episode(
    worlds: Any, scripted: Callable[..., Any], reward: Any
) -> None:
    """The attempts are compared by a judge that divides by zero."""

    class BadJudge(worlds.Group):
        async def compute_group_rewards(
            self, trajectories_G: Any, envs_G: Any
        ) -> list[tuple[float, Metrics]]:
            return [(1.0, {}), (reward, {})]

    builder = BadJudge(lambda i, n: worlds.Counting())
    where = r"episode 1, Counting: BadJudge.compute_group_rewards\(\) gave the reward"
    with pytest.raises(EnvironmentFailure, match=where):
        worlds.run_alone(builder, scripted(worlds.answer))
    retry = {"on_failed_episode": "retry", "max_retries": 2}
    for policy, attempts in ({"on_failed_episode": "drop"}, 1), (retry, 3):
        builder.made = 0
        group = worlds.run_alone(builder, scripted(worlds.answer), **policy)
        assert group.rewards.tolist() == [3.0]  # 2 turns and the judge's 1
        (failure,) = group.failures
        assert (failure.attempts, builder.made) == (attempts, attempts)


def test_rewards_whose_sum_is_not_finite_are_a_failed_episode(
    worlds: Any, scripted: Callable[..., Any]
) -> None:
    """2 earns the greatest float in each of two turns, or in one turn and from its judge."""

    class Greedy(worlds.Counting):
        async def step(self, action: Action) -> StepResult:
            return evolve(await super().step(action), reward=1.7e308)

    class Generous(worlds.Group):
        async def compute_group_rewards(
            self, trajectories_G: Any, envs_G: Any
        ) -> list[tuple[float, Metrics]]:
            return [(1.7e308, {})] * len(trajectories_G)

    for kind, turns in (worlds.Group, 2), (Generous, 1):
        builder = kind(lambda i, n, t=turns: (Greedy if i else worlds.Counting)(turns=t))
        group = worlds.run_alone(builder, scripted(worlds.answer), on_failed_episode="drop")
        (failure,) = group.failures
        assert "the reward inf" in failure.problem
        assert "Greedy" in failure.problem


def test_retries_of_a_group_and_of_its_episodes_count_together(
    worlds: Any, scripted: Callable[..., Any]
) -> None:
    """2 always breaks, and the comparison fails at first: three attempts in all, not nine."""

    class FailsOnce(worlds.Group):
        async def compute_group_rewards(
            self, trajectories_G: Any, envs_G: Any
        ) -> list[tuple[float, Metrics]]:
            if self.made == 1:
                raise ConnectionError("judge down")
            return [(0.0, {})] * len(trajectories_G)

    builder = FailsOnce(lambda i, n: worlds.Breaks() if i == 1 else worlds.Counting())
    sampler = scripted(worlds.answer)
    group = worlds.run_alone(builder, sampler, on_failed_episode="retry", max_retries=2)
    assert len(group.trajectories) == 1
    assert (builder.made, builder.remade) == (2, 3)  # attempts 0, 1, 2 and then 1, 2
