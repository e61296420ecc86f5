"""Trajectories: the observations, actions and rewards of an episode, and of a group of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import tinker
from attrs import field, frozen, validators
from numpy.typing import NDArray

from tinker_core import DataError
from tinker_rl.stop_reason import StopReason
from tinker_train import Metrics

Observation = tinker.ModelInput
StopCondition = list[str] | list[int]
Logs = Mapping[str, str | float]
ALL = "all"
"""Tag of every group."""


def _tokens(tokens: Sequence[int]) -> tuple[int, ...]:
    return tuple(map(int, tokens))


def _floats(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(map(float, values))


@frozen(kw_only=True)
class Action:
    """The tokens that the model sampled in one turn, shape (T,), with their logprobs."""

    tokens: tuple[int, ...] = field(converter=_tokens)
    logprobs: tuple[float, ...] = field(converter=_floats)
    """Natural logarithms under the sampler, shape (T,)."""
    stop_reason: Literal["stop", "length"] = field(
        default="stop", validator=validators.in_(("stop", "length"))
    )

    @logprobs.validator
    def _one_logprob_a_token(self, _: object, value: tuple[float, ...]) -> None:
        if len(value) != len(self.tokens):
            raise DataError(f"{len(self.tokens)} sampled tokens, but {len(value)} logprobs")

    @property
    def cut_short(self) -> bool:
        """True if a limit on tokens ended the action, not the model."""
        return self.stop_reason == "length"


@frozen(kw_only=True)
class Transition:
    """One turn: observation, action and reward."""

    observation: Observation
    action: Action
    reward: float = field(default=0.0, converter=float)
    metrics: Metrics = field(factory=dict)
    logs: Logs = field(factory=dict)
    """Shown in the transcript beside the tokens."""


@frozen(kw_only=True)
class Trajectory:
    """An episode. It has no transitions if it ended before the model's first turn."""

    transitions: tuple[Transition, ...]
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


@frozen
class ImageToken:
    """One of the tokens of an image in an observation."""

    chunk: tinker.ModelInputChunk
    offset: int
    """Index within the image."""


Token = int | ImageToken


def new_tokens(trajectory: Trajectory) -> list[tuple[bool, list[Token]]]:
    """For each turn, what the model saw that is not in the tokens before it.

    True if the observation extends the observation and the action of the last turn; the tokens are
    then those after them. Otherwise False and all tokens of the observation.
    """
    turns: list[tuple[bool, list[Token]]] = []
    so_far: list[Token] = []
    for turn in trajectory.transitions:
        seen = _tokens_of(turn.observation)
        extends = bool(so_far) and seen[: len(so_far)] == so_far
        turns.append((extends, seen[len(so_far) :] if extends else seen))
        so_far = [*seen, *turn.action.tokens]
    return turns


def _tokens_of(observation: Observation) -> list[Token]:
    tokens: list[Token] = []
    for chunk in observation.chunks:
        if isinstance(chunk, tinker.EncodedTextChunk):
            tokens.extend(chunk.tokens)
        else:
            tokens.extend(ImageToken(chunk, offset) for offset in range(chunk.length))
    return tokens
