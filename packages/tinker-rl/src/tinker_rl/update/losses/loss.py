"""The interface of policy losses: what the engine is sent for one.

A loss is one frozen class. It names the engine's loss and knows its settings and its extra inputs.
With r = p / q of a sampled token (p the trained model, q the sampler) and A its advantage, each
module states its formula as a sum over the sampled tokens of an optimizer step. Prompt tokens have
a logprob and an advantage of zero.

If samples may come from older weights than the trained ones, use a loss that clips: with plain
importance sampling, single tokens with a large r dominate the step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, get_args

import numpy as np
from attrs import field, frozen, validators
from numpy.typing import NDArray
from tinker.types import LossFnType

from tinker_core import ConfigError, Normalisation
from tinker_rl.update.training_sequence import TrainingSequence

Settings = dict[str, float | str]


@frozen(kw_only=True)
class Loss(ABC):
    """A policy loss of the engine."""

    name: ClassVar[LossFnType]
    """The engine's name of the loss."""
    normalise: Normalisation = field(
        default="token", validator=validators.in_(get_args(Normalisation))
    )
    """Average of an optimizer step: over its tokens (DAPO, Yu et al., 2025), over its sequences,
    or `none` for a sum, whose gradient grows with batch and length."""

    @abstractmethod
    def settings(self, scales_D: NDArray[np.float64]) -> Settings | None:
        """The engine's settings of the loss. `scales_D` normalise the advantages of D sequences."""

    @abstractmethod
    def inputs(self, sequence: TrainingSequence) -> Mapping[str, NDArray[np.float32]]:
        """Inputs of the loss beside tokens, logprobs and advantages, each of shape (T,)."""


def clip_settings(low: float, high: float) -> Settings:
    """The engine's settings of a loss that clips the ratio to [low, high]."""
    return {"clip_low_threshold": low, "clip_high_threshold": high}


def check_clip_range(low: float, high: float) -> None:
    """Raise ConfigError for an empty range of ratios."""
    if low >= high:
        raise ConfigError(f"clip_low {low} must be less than clip_high {high}")
