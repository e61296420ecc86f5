"""The rollout machinery with scripted samplers; each episode is drawn in its test's docstring."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import tinker
from attrs import define, field

from tinker_core import DataError, EngineError
from tinker_rl import (
    Action,
    Completed,
    ContextOverflow,
    EngineTokenCompleter,
    Env,
    EnvGroupBuilder,
    EnvironmentFailure,
    MaxTokens,
    MaxTurns,
    RolloutConfig,
    Sampling,
    StepResult,
    StopReason,
    TimeOut,
    in_threads,
    rollout_metrics,
    run_group,
    run_groups,
)
from tinker_rl.trajectory import Metrics, TrajectoryGroup

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


def test_turns_alternate_until_the_environment_is_done(scripted: Callable[..., Any]) -> None:
    """[1] -> 2 9 | 5 -> 2 9, done."""
    sampler = scripted(answer)
    group = run_alone(Group(lambda i, n: Counting()), sampler)
    for trajectory in group.trajectories:
        assert [t.observation.to_ints() for t in trajectory.transitions] == [[1], [1, 2, END, 5]]
        assert [t.action.tokens for t in trajectory.transitions] == [(2, END)] * 2
        assert trajectory.stop == Completed()
    assert group.rewards.tolist() == [2, 2]
    assert group.tags == ("counting",)


def test_every_turn_has_a_seed_of_its_own_and_the_same_one_again(
    scripted: Callable[..., Any],
) -> None:
    """Two episodes of two turns: four seeds, equal when it is done again."""
    seeds = []
    for _ in range(2):
        sampler = scripted(answer)
        run_alone(Group(lambda i, n: Counting()), sampler)
        seeds.append(sorted(params.seed for _, _, params in sampler.calls))
    assert len(set(seeds[0])) == 4
    assert seeds[0] == seeds[1]


def test_one_call_samples_the_first_turns_of_a_group_that_shares_its_prompt(
    scripted: Callable[..., Any],
) -> None:
    """[1] -> 10 9, 11 9 or 12 9 by one call; the second turns are sampled each for itself."""
    sampler = scripted(lambda prompt, sample: [10 + sample, END])
    builder = Group(lambda i, n: Counting(), size=3, shares=True)
    group = run_alone(builder, sampler)
    first, *others = [(prompt, count) for prompt, count, _ in sampler.calls]
    assert first == ([1], 3)
    assert sorted(others) == [([1, 10 + i, END, 5], 1) for i in range(3)]
    assert [t.transitions[0].action.tokens[0] for t in group.trajectories] == [10, 11, 12]


def test_a_group_that_wrongly_says_so_is_told(scripted: Callable[..., Any]) -> None:
    """Prompts [1] and [2]."""
    builder = Group(lambda i, n: Counting(start=1 + i), shares=True)
    with pytest.raises(DataError, match=r"episode \d begins with another"):
        run_alone(builder, scripted(answer))


def test_a_limit_on_turns_leaves_the_environment_the_last_word(
    scripted: Callable[..., Any],
) -> None:
    """Five turns wanted, three allowed."""
    group = run_alone(Group(lambda i, n: Counting(turns=5)), scripted(answer), max_turns=3)
    assert [t.stop for t in group.trajectories] == [MaxTurns(3)] * 2
    assert group.rewards.tolist() == [2.5, 2.5]  # 3 turns and -0.5
    assert group.trajectories[0].metrics == {"stopped": 1.0}


def test_the_engine_is_never_asked_for_more_than_the_window_holds(
    scripted: Callable[..., Any],
) -> None:
    """Window 6: [1] has room for 5 tokens, [1 2 9 5] for 2, [1 2 9 5 2 9 5] for none."""
    sampler = scripted(answer)
    group = run_alone(
        Group(lambda i, n: Counting(turns=5), size=1),
        sampler,
        Sampling(max_tokens=4),
        context_window=6,
    )
    assert [params.max_tokens for _, _, params in sampler.calls] == [4, 2]
    assert group.trajectories[0].stop == ContextOverflow(7, 6)
    assert group.rewards.tolist() == [1.5]


def test_a_first_prompt_that_fills_the_window_is_an_episode_without_a_turn(
    scripted: Callable[..., Any],
) -> None:
    """[1] in a window of 1."""
    sampler = scripted(answer)
    group = run_alone(Group(lambda i, n: Counting(), size=1), sampler, context_window=1)
    assert sampler.calls == []
    assert group.trajectories[0].transitions == ()
    assert group.rewards.tolist() == [-0.5]


@define
class EndsShort(Counting):
    """Says that the model was cut short."""

    async def step(self, action: Action) -> StepResult:
        assert action.cut_short
        return StepResult(reward=0, episode_done=True, stop=MaxTokens())


def test_an_answer_cut_by_the_window_is_told_from_one_cut_by_max_tokens(
    scripted: Callable[..., Any],
) -> None:
    """[1] -> an answer of 8 tokens that never ends, with room for 3."""
    endless = scripted(lambda prompt, sample: [2] * 8)
    builder = Group(lambda i, n: EndsShort(), size=1)
    by_limit = run_alone(builder, endless, Sampling(max_tokens=2), context_window=4)
    assert by_limit.trajectories[0].stop == MaxTokens()
    by_window = run_alone(builder, endless, Sampling(max_tokens=5), context_window=4)
    assert by_window.trajectories[0].stop == ContextOverflow(1, 4)


@define
class Hangs(Counting):
    """Never answers its second turn."""

    async def step(self, action: Action) -> StepResult:
        if self.turns == 1:
            await asyncio.Event().wait()
        return await super().step(action)


def test_an_episode_that_hangs_is_ended_and_keeps_its_turns(scripted: Callable[..., Any]) -> None:
    """1: two turns, done. 2: one turn, then nothing for ever."""
    builder = Group(lambda i, n: Hangs() if i else Counting())
    group = run_alone(builder, scripted(answer), episode_seconds=0.1)
    assert [t.stop for t in group.trajectories] == [Completed(), TimeOut(0.1)]
    assert [len(t.transitions) for t in group.trajectories] == [2, 1]
    assert group.rewards.tolist() == [2.0, 0.5]


@define
class Breaks(Counting):
    """Raises at its second turn."""

    async def step(self, action: Action) -> StepResult:
        if self.turns == 1:
            raise TimeoutError("sandbox down")
        return await super().step(action)


def test_an_environment_that_raises_ends_the_run_and_says_where(
    scripted: Callable[..., Any],
) -> None:
    """2 breaks at turn 1 while 1 hangs: nothing may be left behind."""
    builder = Group(lambda i, n: Breaks() if i else Hangs())
    with pytest.raises(EnvironmentFailure, match=r"at 0: episode 1: step\(\) of turn 1: Time") as e:
        run_alone(builder, scripted(answer))
    assert isinstance(e.value.__cause__, TimeoutError)
    assert builder.cleaned == [2]


def test_a_failed_episode_can_be_dropped_and_is_counted(scripted: Callable[..., Any]) -> None:
    """1 is done, 2 breaks."""
    builder = Group(lambda i, n: Breaks() if i else Counting())
    group = run_alone(builder, scripted(answer), on_failed_episode="drop")
    assert [len(t.transitions) for t in group.trajectories] == [2]
    assert [f.attempts for f in group.failures] == [1]
    assert "sandbox down" in group.failures[0].problem


def test_only_the_episode_that_failed_is_made_again(scripted: Callable[..., Any]) -> None:
    """2 breaks twice, then is done; 1 is not disturbed."""
    builder = Group(lambda i, n: Breaks() if i == 1 and n < 2 else Counting())
    group = run_alone(builder, scripted(answer), on_failed_episode="retry", max_retries=2)
    assert len(group.trajectories) == 2
    assert (builder.made, builder.remade, group.retries) == (1, 2, 2)
    assert builder.cleaned == [4]


def test_an_episode_that_is_made_again_is_sampled_anew(scripted: Callable[..., Any]) -> None:
    """[1] -> one call for both; 2 breaks, and its second attempt is a call of its own."""
    sampler = scripted(answer)
    builder = Group(lambda i, n: Breaks() if i == 1 and n < 1 else Counting(), shares=True)
    group = run_alone(builder, sampler, on_failed_episode="retry")
    assert len(group.trajectories) == 2
    assert [count for prompt, count, _ in sampler.calls if prompt == [1]] == [2, 1]


def test_what_fails_too_often_is_dropped(scripted: Callable[..., Any]) -> None:
    """2 always breaks."""
    builder = Group(lambda i, n: Breaks() if i == 1 else Counting())
    group = run_alone(builder, scripted(answer), on_failed_episode="retry", max_retries=2)
    assert len(group.trajectories) == 1
    assert [f.attempts for f in group.failures] == [3]


def test_players_of_one_game_are_made_again_together(scripted: Callable[..., Any]) -> None:
    """2 breaks in the first game, and cannot be made alone."""
    builder = Group(lambda i, n: Breaks() if i == 1 and n < 1 else Counting(), single=False)
    group = run_alone(builder, scripted(answer), on_failed_episode="retry")
    assert len(group.trajectories) == 2
    assert (builder.made, group.retries) == (2, 1)
    assert builder.cleaned == [2, 2]


@define
class NoEnvs(Group):
    """Cannot make an environment."""

    async def make_envs(self) -> Sequence[Env]:
        self.made += 1
        raise ConnectionError("no sandbox")


def test_a_group_that_cannot_be_made_fails_by_the_same_policy(
    scripted: Callable[..., Any],
) -> None:
    """make_envs() always raises."""
    builder = NoEnvs(lambda i, n: Counting())
    with pytest.raises(EnvironmentFailure, match=r"make_envs\(\): ConnectionError: no sandbox"):
        run_alone(builder, scripted(answer))
    group = run_alone(builder, scripted(answer), on_failed_episode="drop")
    assert group.trajectories == ()
    assert "no sandbox" in group.failures[0].problem


def test_a_failing_engine_is_nobodys_environment(scripted: Callable[..., Any]) -> None:
    """The sampler is down: dropping episodes would train on nothing for ever."""

    def down(prompt: list[int], sample: int) -> list[int]:
        raise tinker.APIConnectionError(request=None)  # type: ignore[arg-type]

    with pytest.raises(EngineError, match="sample after a prompt of 1 tokens"):
        run_alone(Group(lambda i, n: Counting()), scripted(down), on_failed_episode="drop")


@define
class Answers:
    """A sampling client that sends what it is given."""

    sequences: list[Any]

    async def _response(self) -> Any:
        return tinker.types.SampleResponse(sequences=self.sequences)

    def sample(self, prompt: Any, num_samples: int, params: Any) -> Any:
        return self._response()


@pytest.mark.parametrize(
    ("sequences", "problem"),
    [
        ([], "1 asked for, 0 came back"),
        (
            [tinker.types.SampledSequence(stop_reason="stop", sequence_id="x", _tokens_list=[2])],
            "no logprobs",
        ),
    ],
)
def test_an_engine_that_answers_wrongly_is_told_so(sequences: list[Any], problem: str) -> None:
    """Fewer samples than asked for; samples without logprobs."""
    with pytest.raises(EngineError, match=problem):
        run_alone(Group(lambda i, n: Counting(), size=1), Answers(sequences))


def test_groups_run_side_by_side_bounded_and_come_back_in_order(
    scripted: Callable[..., Any],
) -> None:
    """Twelve groups of two, three groups at once: never more than six samples under way."""
    sampler = scripted(answer, delay=0.001)
    builders = [Group(lambda i, n, p=p: Counting(start=20 + p)) for p in range(12)]

    async def main() -> list[TrajectoryGroup]:
        policy = EngineTokenCompleter(sampler)
        return await run_groups(policy, builders, RolloutConfig(max_concurrent_groups=3), (0,))

    groups = asyncio.run(main())
    firsts = [g.trajectories[0].transitions[0].observation.to_ints() for g in groups]
    assert firsts == [[20 + p] for p in range(12)]
    assert sampler.most_running == 6


def test_cancelling_the_caller_ends_everything(scripted: Callable[..., Any]) -> None:
    """Two groups that hang, cancelled from outside."""
    builders = [Group(lambda i, n: Hangs()) for _ in range(2)]

    async def main() -> None:
        policy = EngineTokenCompleter(scripted(answer))
        task = asyncio.create_task(run_groups(policy, builders, RolloutConfig(), (0,)))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    assert [builder.cleaned for builder in builders] == [[2], [2]]


@define
class Sleeps:
    """A blocking environment whose step takes its time without telling the event loop."""

    seconds: float

    def initial_observation(self) -> tuple[tinker.ModelInput, list[int]]:
        return tokens(1), [END]

    def step(self, action: Action) -> StepResult:
        time.sleep(self.seconds)
        return StepResult(reward=1, episode_done=True)


def test_a_step_that_blocks_does_not_stall_the_others(scripted: Callable[..., Any]) -> None:
    """1 blocks for a minute in a thread; 2 is done; the limit ends 1, and the process may end."""
    builder = Group(lambda i, n: in_threads(Sleeps(0.0 if i else 60.0)))
    group = run_alone(builder, scripted(answer), episode_seconds=0.3)
    assert [type(t.stop) for t in group.trajectories] == [TimeOut, Completed]


@define
class AsyncBlocks(Env):
    """An async environment whose step blocks all the same."""

    block: Callable[[], Any]

    async def initial_observation(self) -> tuple[tinker.ModelInput, list[int]]:
        return tokens(1), [END]

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
        return tokens(1), [END]

    async def step(self, action: Action) -> StepResult:
        self.meet.wait()
        return StepResult(reward=1, episode_done=True)


def test_async_steps_without_an_await_may_block(scripted: Callable[..., Any]) -> None:
    """20 episodes block, each until all of them do: as they stand, without `in_threads`."""
    meet = threading.Barrier(20, timeout=30)
    group = run_alone(Group(lambda i, n: Meets(meet), size=20), scripted(answer))
    assert group.rewards.tolist() == [1.0] * 20


def test_others_go_on_while_a_step_sleeps(scripted: Callable[..., Any]) -> None:
    """1 sleeps until 2 has gone through its 50 turns."""
    done = threading.Event()

    class Waits(Counting):
        async def step(self, action: Action) -> StepResult:
            while not done.is_set():
                time.sleep(0.001)
            return StepResult(reward=1, episode_done=True)

    class Ends(Counting):
        async def step(self, action: Action) -> StepResult:
            result = await super().step(action)
            if result.episode_done:
                done.set()
            return result

    builder = Group(lambda i, n: Ends(turns=50) if i else Waits())
    group = run_alone(builder, scripted(answer), episode_seconds=60)
    assert [t.stop for t in group.trajectories] == [Completed(), Completed()]
    assert group.rewards.tolist() == [1.0, 50.0]


def test_the_environment_that_keeps_the_loop_is_named(
    scripted: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """1 and 2 block for over a second before their await; one message names their class."""
    run_alone(Group(lambda i, n: AsyncBlocks(lambda: time.sleep(1.01))), scripted(answer))
    assert len(caplog.records) == 1
    assert "AsyncBlocks kept the event loop to itself" in caplog.text


def test_async_steps_that_block_run_side_by_side_in_threads(scripted: Callable[..., Any]) -> None:
    """20 episodes block, each until all of them do."""
    meet = threading.Barrier(20, timeout=30)
    builder = Group(lambda i, n: in_threads(AsyncBlocks(meet.wait)), size=20)
    assert run_alone(builder, scripted(answer)).rewards.tolist() == [1.0] * 20


def test_time_that_environments_keep_to_themselves_is_counted(scripted: Callable[..., Any]) -> None:
    """3 episodes block the event loop for 0.05 s each; in threads they do not."""

    def seconds(wrap: Callable[[Env], Env]) -> float:
        builder = Group(lambda i, n: wrap(AsyncBlocks(lambda: time.sleep(0.05))), size=3)
        return rollout_metrics([run_alone(builder, scripted(answer))])["time/environments"]

    assert seconds(lambda env: env) >= 0.15 > seconds(in_threads)


@define
class Tidies(AsyncBlocks):
    """Waits for ever, and tidies up when it is cancelled."""

    tidied: bool = False

    async def step(self, action: Action) -> StepResult:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)  # there is time to say goodbye
            self.tidied = True
            raise
        raise NotImplementedError


def test_an_environment_hears_that_its_time_is_up(scripted: Callable[..., Any]) -> None:
    """The limit strikes while step() waits."""
    env = Tidies(lambda: None)
    run_alone(Group(lambda i, n: env, size=1), scripted(answer), episode_seconds=0.1)
    assert env.tidied


def test_a_threaded_environment_has_its_last_word(scripted: Callable[..., Any]) -> None:
    """The limit strikes while step() blocks; stopped() gives 7."""
    go_on = threading.Event()
    builder = Group(lambda i, n: in_threads(AsyncBlocks(lambda: go_on.wait(60))), size=1)
    group = run_alone(builder, scripted(answer), episode_seconds=0.3)
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
    error: BaseException, scripted: Callable[..., Any]
) -> None:
    """initial_observation() raises in its thread."""
    builder = Group(lambda i, n: in_threads(Raises(error)))
    with pytest.raises(EnvironmentFailure, match=type(error).__name__):
        run_alone(builder, scripted(answer))


@define
class Compared(Group):
    """The attempts are compared: the last one wins."""

    async def compute_group_rewards(
        self, trajectories_G: Any, envs_G: Any
    ) -> list[tuple[float, Metrics]]:
        assert len(trajectories_G) == len(envs_G)
        return [(float(i), {"place": float(i)}) for i in range(len(trajectories_G))]


def test_a_group_adds_rewards_to_those_of_its_survivors(scripted: Callable[..., Any]) -> None:
    """1 breaks, 2 and 3 are done and compared."""
    builder = Compared(lambda i, n: Breaks() if i == 0 else Counting(), size=3)
    group = run_alone(builder, scripted(answer), on_failed_episode="drop")
    assert group.rewards.tolist() == [2.0, 3.0]
    assert group.group_metrics == ({"place": 0.0}, {"place": 1.0})


@define
class Miscounts(Group):
    """Forgets a reward."""

    async def compute_group_rewards(
        self, trajectories_G: Any, envs_G: Any
    ) -> list[tuple[float, Metrics]]:
        return [(0.0, {})]


def test_a_missing_group_reward_is_an_error(scripted: Callable[..., Any]) -> None:
    """Two episodes, one reward."""
    with pytest.raises(DataError, match="gave 1 rewards for 2 trajectories"):
        run_alone(Miscounts(lambda i, n: Counting()), scripted(answer))


def test_an_undone_step_needs_an_observation() -> None:
    with pytest.raises(DataError, match="not done"):
        StepResult(reward=0, episode_done=False)
