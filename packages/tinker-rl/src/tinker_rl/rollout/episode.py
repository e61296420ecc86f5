"""One episode: the model and an environment take turns until the environment or a limit ends it."""

from __future__ import annotations

import asyncio
import math

from attrs import define, field

from tinker_rl.completers import TokenCompleter
from tinker_rl.envs.env import Env, StepResult, user_class
from tinker_rl.errors import EnvironmentFailure
from tinker_rl.prompt import as_prompt, prompt_after
from tinker_rl.rollout.rollout_config import RolloutConfig
from tinker_rl.rollout.seed import Place, seed_at
from tinker_rl.stop_reason import ContextOverflow, MaxTokens, MaxTurns, StopReason, TimeOut
from tinker_rl.trajectory import Action, Observation, Trajectory, Transition
from tinker_rl.user_code import Stopwatch, call_environment


async def run_episode(
    policy: TokenCompleter, env: Env, config: RolloutConfig, place: Place
) -> Trajectory:
    """Take turns until the environment is done or a limit is reached.

    Turn n is sampled with the seed of `(*place, n)`. Raises EnvironmentFailure where the
    environment raises or a reward is not finite, and EngineError where the engine fails.
    """
    episode = _Episode(policy, env, config, place)
    try:
        async with asyncio.timeout(config.episode_seconds) as limit:
            end = await episode.take_turns()
    except TimeoutError:
        if not limit.expired() or config.episode_seconds is None:
            raise
        end = TimeOut(config.episode_seconds)  # the turns so far are kept
    if not isinstance(end, StepResult):
        end = await episode.stopped_by(end)
    trajectory = Trajectory(
        transitions=tuple(episode.turns),
        stop=end.stop,
        final_reward=end.reward,
        metrics=end.metrics,
        environment_seconds=episode.blocked.seconds,
    )
    finite_reward(trajectory.reward, f"{episode.name}: the sum over all turns")
    return trajectory


@define
class _Episode:
    """An episode in progress."""

    policy: TokenCompleter
    env: Env
    config: RolloutConfig
    place: Place
    turns: list[Transition] = field(factory=list)
    blocked: Stopwatch = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.blocked = Stopwatch(self.name)

    @property
    def name(self) -> str:
        """The name of the environment's class."""
        return user_class(self.env).__qualname__

    async def take_turns(self) -> StepResult | StopReason:
        """The environment's end, its reward being in `turns`, or the limit that was reached."""
        doing = f"{self.name}.initial_observation()"
        first = await call_environment(doing, self.env.initial_observation, stopwatch=self.blocked)
        if isinstance(first, StepResult):
            return _checked(first, doing)
        prompt, ends = first
        window = self.config.context_window
        while True:
            room = None if window is None else window - prompt.length
            if window is not None and prompt.length >= window:
                return ContextOverflow(prompt.length, window)
            seed = seed_at((*self.place, len(self.turns)))
            action = await self.policy(prompt, ends, max_tokens=room, seed=seed)
            result = await self._step(action)
            self._add_turn(prompt, action, result)
            if result.next_observation is None or result.next_stop_condition is None:
                stop = result.stop
                if window is not None and stop == MaxTokens() and len(action) == room:
                    stop = ContextOverflow(prompt.length, window)
                return StepResult(reward=0, episode_done=True, stop=stop)
            if len(self.turns) == self.config.max_turns:
                return MaxTurns(len(self.turns))
            prompt, ends = result.next_observation, result.next_stop_condition

    def _add_turn(self, observation: Observation, action: Action, result: StepResult) -> None:
        """Keep a turn, without what the turns before it hold."""
        prompt = as_prompt(observation)
        if self.turns:
            last = self.turns[-1]
            prompt = prompt_after(last.prompt, last.action.token_array, prompt)
        self.turns.append(
            Transition(
                observation=prompt,
                action=action,
                reward=result.reward,
                metrics=result.metrics,
                logs=result.logs,
            )
        )

    async def stopped_by(self, limit: StopReason) -> StepResult:
        """The final reward from `env.stopped()`. It gets one more `episode_seconds`."""
        doing = f"{self.name}.stopped()"
        try:
            async with asyncio.timeout(self.config.episode_seconds) as time:
                reward, metrics = await call_environment(doing, self.env.stopped, limit)
        except TimeoutError as error:
            if not time.expired():
                raise
            raise EnvironmentFailure(
                f"{doing} took over {self.config.episode_seconds} s"
            ) from error
        reward = finite_reward(reward, doing)
        return StepResult(reward=reward, episode_done=True, stop=limit, metrics=metrics)

    async def _step(self, action: Action) -> StepResult:
        doing = f"{self.name}.step() of turn {len(self.turns)}"
        result = await call_environment(doing, self.env.step, action, stopwatch=self.blocked)
        return _checked(result, doing)


def finite_reward(reward: float, doing: str) -> float:
    """The reward as a float. Raises EnvironmentFailure, which names the call `doing`."""
    try:
        value = float(reward)
    except (TypeError, ValueError, OverflowError) as error:
        raise EnvironmentFailure(f"{doing} gave the reward {reward!r:.80}: {error}") from error
    if not math.isfinite(value):
        raise EnvironmentFailure(f"{doing} gave the reward {value}, which is not finite")
    return value


def _checked(result: StepResult, doing: str) -> StepResult:
    finite_reward(result.reward, doing)
    return result
