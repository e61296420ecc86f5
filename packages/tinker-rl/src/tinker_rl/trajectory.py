"""Trajectories: the observations, actions and rewards of an episode, and of a group of them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
import tinker
from attrs import evolve, field, frozen, validators
from numpy.typing import NDArray

from tinker_core import DataError
from tinker_rl.prompt import Prompt, Tokens, as_prompt, prompt_after, token_array
from tinker_rl.stop_reason import StopReason
from tinker_train import Metrics

Observation = tinker.ModelInput
"""The input that an environment shows to the model."""
StopCondition = list[str] | list[int]
Logs = Mapping[str, str | float]
ALL = "all"
"""Tag of every group."""


def _float_array(values: Iterable[float]) -> array[float]:
    return array("f", map(float, values))


def _floats(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(map(float, values))


@frozen(kw_only=True)
class Action:
    """The tokens that the model sampled in one turn, shape (T,), with their logprobs.

    They are kept in eight bytes a token: ids and, as engines return them, logprobs in float32.
    """

    token_array: Tokens = field(alias="tokens", converter=token_array)
    logprob_array: array[float] = field(alias="logprobs", converter=_float_array)
    """Natural logarithms under the sampler, shape (T,)."""
    stop_reason: Literal["stop", "length"] = field(
        default="stop", validator=validators.in_(("stop", "length"))
    )

    @logprob_array.validator
    def _one_logprob_a_token(self, _: object, value: array[float]) -> None:
        if len(value) != len(self):
            raise DataError(f"{len(self)} sampled tokens, but {len(value)} logprobs")

    def __len__(self) -> int:
        """The number of tokens."""
        return len(self.token_array)

    def __bool__(self) -> bool:
        """True, also without tokens."""
        return True

    @property
    def tokens(self) -> tuple[int, ...]:
        """The token ids, shape (T,)."""
        return tuple(self.token_array)

    @property
    def logprobs(self) -> tuple[float, ...]:
        """Natural logarithms under the sampler, shape (T,)."""
        return tuple(self.logprob_array)

    @property
    def cut_short(self) -> bool:
        """True if a limit on tokens ended the action, not the model."""
        return self.stop_reason == "length"


@frozen(kw_only=True)
class Transition:
    """One turn: observation, action and reward."""

    prompt: Prompt = field(alias="observation", converter=as_prompt)
    """The observation, without what the turns before it hold."""
    action: Action
    reward: float = field(default=0.0, converter=float)
    metrics: Metrics = field(factory=dict)
    logs: Logs = field(factory=dict)
    """Shown in the transcript beside the tokens."""

    @property
    def observation(self) -> Observation:
        """The whole input of the model. It is put together at each access."""
        return self.prompt.model_input()


def join_turns(transitions: Iterable[Transition]) -> tuple[Transition, ...]:
    """The turns of one episode. Each prompt refers to the turn before it, if it begins with it."""
    turns: list[Transition] = []
    for turn in transitions:
        prompt = turn.prompt
        if turns:
            prompt = prompt_after(turns[-1].prompt, turns[-1].action.token_array, prompt)
        elif prompt.before is not None:
            prompt = Prompt(new=tuple(prompt.pieces()))
        turns.append(turn if prompt is turn.prompt else evolve(turn, observation=prompt))
    return tuple(turns)


@frozen(kw_only=True)
class Trajectory:
    """An episode. It has no transitions if it ended before the model's first turn."""

    transitions: tuple[Transition, ...] = field(converter=join_turns)
    stop: StopReason
    final_reward: float = field(default=0.0, converter=float)
    """Reward from `Env.stopped` after a limit ended the episode."""
    metrics: Metrics = field(factory=dict)
    """Metrics from `Env.stopped`."""
    environment_seconds: float = 0.0
    """Seconds in which its environment blocked the event loop and all other episodes."""

    @property
    def reward(self) -> float:
        """Sum of all rewards of the episode."""
        return sum(turn.reward for turn in self.transitions) + self.final_reward


@frozen(kw_only=True)
class EpisodeFailure:
    """An episode or a whole group that was dropped because an environment failed."""

    problem: str
    """The episode, the call that failed, and the error."""
    attempts: int = 1


@frozen(kw_only=True)
class TrajectoryGroup:
    """Episodes that are compared with each other. A batch consists of groups."""

    trajectories: tuple[Trajectory, ...]
    group_rewards: tuple[float, ...] = field(converter=_floats)
    """Rewards from `EnvGroupBuilder.compute_group_rewards`, shape (G,)."""
    group_metrics: tuple[Metrics, ...]
    tags: tuple[str, ...] = ()
    """Names under which the metrics of the group are averaged."""
    failures: tuple[EpisodeFailure, ...] = ()
    retries: int = 0
    """Failed attempts that were repeated."""
    sampler_step: int = 0
    """Optimizer steps in the weights of the sampler."""

    def __attrs_post_init__(self) -> None:
        sizes = (len(self.trajectories), len(self.group_rewards), len(self.group_metrics))
        if len(set(sizes)) != 1:
            raise DataError(
                f"{sizes[0]} trajectories, but {sizes[1]} group rewards and {sizes[2]} metrics"
            )

    @property
    def rewards(self) -> NDArray[np.float64]:
        """Total reward of each episode, shape (G,)."""
        episode_rewards_G = np.array([trajectory.reward for trajectory in self.trajectories])
        return np.asarray(episode_rewards_G + np.array(self.group_rewards), dtype=np.float64)
