"""The interface of policy losses. A loss is one class in one module.

With r = p / q of a sampled token (p the trained model, q the sampler) and A its advantage, each
module states its formula as a sum over the sampled tokens of an optimizer step.

If samples may come from older weights than the trained ones, use a loss that clips: with plain
importance sampling, single tokens with a large r dominate the step.
"""

from __future__ import annotations

from abc import ABC
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
    """A policy loss that the engine computes. A subclass states what differs from this one."""

    name: ClassVar[LossFnType]
    """The engine's name of the loss."""
    normalise: Normalisation = field(
        default="token", validator=validators.in_(get_args(Normalisation))
    )
    """Average of an optimizer step: over its tokens (DAPO, Yu et al., 2025), over its sequences,
    or `none` for a sum, whose gradient grows with batch and length."""

    def settings(self, scales_D: NDArray[np.float64]) -> Settings | None:
        """The engine's settings of the loss.

        `scales_D` are the factors on the advantages of D sequences, which normalise the loss.
        """
        return None

    def inputs(self, sequence: TrainingSequence) -> Mapping[str, NDArray[np.float32]]:
        """Inputs of the loss beside tokens, logprobs and advantages, each of shape (T,)."""
        return {}


@frozen(kw_only=True)
class ClippedLoss(Loss):
    """A loss that clips the ratio to [clip_low, clip_high]."""

    clip_low: float
    """Least ratio, not its distance from 1."""
    clip_high: float
    """Greatest ratio."""

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.clip_low < self.clip_high:
            raise ConfigError(
                f"clip_low {self.clip_low} must be at least 0 and less than clip_high "
                f"{self.clip_high}"
            )

    def settings(self, scales_D: NDArray[np.float64]) -> Settings | None:
        """The range of ratios."""
        return {"clip_low_threshold": self.clip_low, "clip_high_threshold": self.clip_high}
