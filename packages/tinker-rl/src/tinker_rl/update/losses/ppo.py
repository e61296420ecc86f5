"""PPO: -sum min(r A, clip(r, low, high) A) (Schulman et al., 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from attrs import field, frozen, validators
from numpy.typing import NDArray
from tinker.types import LossFnType

from tinker_rl.update.losses.loss import Loss, Settings, check_clip_range, clip_settings
from tinker_rl.update.training_sequence import TrainingSequence


@frozen(kw_only=True)
class Ppo(Loss):
    """Clipped surrogate, for several optimizer steps a batch or asynchronous training."""

    name: ClassVar[LossFnType] = "ppo"
    clip_low: float = field(default=0.8, validator=validators.ge(0.0))
    """Least ratio, not its distance from 1."""
    clip_high: float = field(default=1.2, validator=validators.gt(0.0))
    """Greatest ratio."""

    def __attrs_post_init__(self) -> None:
        check_clip_range(self.clip_low, self.clip_high)

    def settings(self, scales_D: NDArray[np.float64]) -> Settings | None:
        """The range of ratios."""
        return clip_settings(self.clip_low, self.clip_high)

    def inputs(self, sequence: TrainingSequence) -> Mapping[str, NDArray[np.float32]]:
        """No further inputs."""
        return {}
