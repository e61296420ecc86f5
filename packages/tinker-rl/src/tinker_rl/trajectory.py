"""What happened in an episode, and in a group of them: values without behaviour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import tinker
from attrs import field, frozen, validators
from numpy.typing import NDArray

from tinker_core import DataError
from tinker_rl.stop_reason import StopReason

Observation = tinker.ModelInput
StopCondition = list[str] | list[int]
Metrics = Mapping[str, float]
Logs = Mapping[str, str | float]
ALL = "all"
"""The tag that every group has."""


def _tokens(tokens: Sequence[int]) -> tuple[int, ...]:
    return tuple(map(int, tokens))


def _floats(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(map(float, values))


@frozen(kw_only=True)
class Action:
    """The tokens that the model sampled in one turn, shape (T,), with their logprobs."""

    tokens: tuple[int, ...] = field(converter=_tokens)
    logprobs: tuple[float, ...] = field(converter=_floats)
    """Natural logarithms, under the sampler that drew the tokens."""
    stop_reason: Literal["stop", "length"] = field(
        default="stop", validator=validators.in_(("stop", "length"))
    )

    @logprobs.validator
    def _one_logprob_a_token(self, _: object, value: tuple[float, ...]) -> None:
        if len(value) != len(self.tokens):
            raise DataError(f"{len(self.tokens)} sampled tokens, but {len(value)} logprobs")

    @property
    def cut_short(self) -> bool:
        """Whether a limit ended it, not the model."""
        return self.stop_reason == "length"


@frozen(kw_only=True)
class Transition:
    """One turn: what the model saw, what it sampled, what that earned."""

    observation: Observation
    action: Action
    reward: float = field(default=0.0, converter=float)
    metrics: Metrics = field(factory=dict)
    logs: Logs = field(factory=dict)
    """For people: what the transcript shows beside the tokens."""


@frozen(kw_only=True)
class Trajectory:
    """An episode from its first observation to its end; no transition where it never began."""

    transitions: tuple[Transition, ...]
    stop: StopReason
    final_reward: float = field(default=0.0, converter=float)
    """What `Env.stopped` gave where a limit ended the episode."""
    metrics: Metrics = field(factory=dict)
    """What `Env.stopped` measured."""
    environment_seconds: float = 0.0
    """How long its environment kept the event loop to itself, so that all others waited."""

    @property
    def reward(self) -> float:
        """All rewards of the episode together."""
        return sum(turn.reward for turn in self.transitions) + self.final_reward


@frozen(kw_only=True)
class EpisodeFailure:
    """An episode of a group, or the group itself, that was lost to a broken environment."""

    problem: str
    """Which one, what it was doing, and what was raised."""
    attempts: int = 1


@frozen(kw_only=True)
class TrajectoryGroup:
    """Attempts that are compared with each other: the unit of a batch."""

    trajectories: tuple[Trajectory, ...]
    group_rewards: tuple[float, ...] = field(converter=_floats)
    """What `EnvGroupBuilder.compute_group_rewards` added to each, shape (G,)."""
    group_metrics: tuple[Metrics, ...]
    tags: tuple[str, ...] = ()
    """Where the group belongs in the metrics."""
    failures: tuple[EpisodeFailure, ...] = ()
    retries: int = 0
    """Attempts that failed and were made again."""
    sampler_step: int = 0
    """Optimizer steps in the weights that sampled it."""

    def __attrs_post_init__(self) -> None:
        sizes = (len(self.trajectories), len(self.group_rewards), len(self.group_metrics))
        if len(set(sizes)) != 1:
            raise DataError(
                f"{sizes[0]} trajectories, but {sizes[1]} group rewards and {sizes[2]} metrics"
            )

    @property
    def rewards(self) -> NDArray[np.float64]:
        """Total reward of each attempt, shape (G,)."""
        of_episodes_G = np.array([trajectory.reward for trajectory in self.trajectories])
        return np.asarray(of_episodes_G + np.array(self.group_rewards), dtype=np.float64)
