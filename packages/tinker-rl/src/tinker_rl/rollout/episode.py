"""One episode: the model and an environment take turns until something ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from attrs import frozen

from tinker_core import EngineError
from tinker_rl.completers import TokenCompleter
from tinker_rl.envs.env import Env, StepResult, user_class
from tinker_rl.errors import EnvironmentFailure
from tinker_rl.rollout.rollout_config import RolloutConfig
from tinker_rl.rollout.seeds import Place, seed_at
from tinker_rl.stop_reason import ContextOverflow, MaxTokens, MaxTurns, StopReason, TimeOut
from tinker_rl.trajectory import Metrics, Trajectory, Transition
from tinker_rl.user_code import Stopwatch, call

T = TypeVar("T")


@frozen
class _Limit:
    """A limit ended the episode, not the environment."""

    stop: StopReason


_End = StepResult | _Limit


async def run_episode(
    policy: TokenCompleter, env: Env, config: RolloutConfig, place: Place
) -> Trajectory:
    """Take turns until the environment is done or a limit strikes.

    `place` seeds the samples: turn n is drawn with the seed of `(*place, n)`. Raises
    EnvironmentFailure where the environment raises, and EngineError where the engine fails.
    """
    turns: list[Transition] = []  # out here, so that a time limit loses none of them
    busy = Stopwatch(user_class(env).__qualname__)
    end: _End
    try:
        async with asyncio.timeout(config.episode_seconds) as limit:
            end = await _take_turns(policy, env, config, place, turns, busy)
    except TimeoutError:
        if not limit.expired() or config.episode_seconds is None:
            raise
        end = _Limit(TimeOut(config.episode_seconds))
    match end:
        case _Limit(stop):
            reward, metrics = await _last_word(env, stop, config)
        case StepResult(stop=stop, reward=reward, metrics=metrics):
            pass
    return Trajectory(
        transitions=tuple(turns),
        stop=stop,
        final_reward=reward,
        metrics=metrics,
        environment_seconds=busy.seconds,
    )


async def _take_turns(
    policy: TokenCompleter,
    env: Env,
    config: RolloutConfig,
    place: Place,
    turns: list[Transition],
    busy: Stopwatch,
) -> _End:
    """How it ended; what a last turn earned is in `turns` already."""
    first = await of_environment(busy.watch(call(env.initial_observation)), "initial_observation()")
    if isinstance(first, StepResult):
        return first
    prompt, ends = first
    while True:
        room = None if config.context_window is None else config.context_window - prompt.length
        if room is not None and room < 1:
            return _Limit(ContextOverflow(prompt.length, prompt.length + room))
        seed = seed_at((*place, len(turns)))
        action = await policy(prompt, ends, max_tokens=room, seed=seed)
        stepped = busy.watch(call(env.step, action))
        result = await of_environment(stepped, f"step() of turn {len(turns)}")
        turns.append(
            Transition(
                observation=prompt,
                action=action,
                reward=result.reward,
                metrics=result.metrics,
                logs=result.logs,
            )
        )
        if result.next_observation is None or result.next_stop_condition is None:
            no_room = isinstance(result.stop, MaxTokens) and len(action.tokens) == room
            window = config.context_window or 0
            stop = ContextOverflow(prompt.length, window) if no_room else result.stop
            return StepResult(reward=0, episode_done=True, stop=stop)
        if len(turns) == config.max_turns:
            return _Limit(MaxTurns(len(turns)))
        prompt, ends = result.next_observation, result.next_stop_condition


async def _last_word(env: Env, stop: StopReason, config: RolloutConfig) -> tuple[float, Metrics]:
    """The environment's reward for an episode that a limit ended, within the time of another."""
    try:
        async with asyncio.timeout(config.episode_seconds) as limit:
            return await of_environment(call(env.stopped, stop), "stopped()")
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise EnvironmentFailure(f"stopped() took over {config.episode_seconds} s") from error


async def of_environment(result: Awaitable[T], doing: str) -> T:
    """The result of a user's code; what it raises becomes an EnvironmentFailure that says where.

    The engine's errors pass as they are: an opponent or a judge that cannot be sampled from is not
    the environment's fault.
    """
    try:
        return await result
    except EngineError:
        raise
    except Exception as error:
        raise EnvironmentFailure(f"{doing}: {type(error).__name__}: {error}") from error
