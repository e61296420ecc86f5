"""Importance sampling: -sum r A."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from tinker.types import LossFnType

from tinker_rl.update.losses.loss import Loss, Settings
from tinker_rl.update.training_sequence import TrainingSequence


@frozen(kw_only=True)
class ImportanceSampling(Loss):
    """Policy gradient with importance sampling, for on-policy training."""

    name: ClassVar[LossFnType] = "importance_sampling"

    def settings(self, scales_D: NDArray[np.float64]) -> Settings | None:
        """No settings."""
        return None

    def inputs(self, sequence: TrainingSequence) -> Mapping[str, NDArray[np.float32]]:
        """No further inputs."""
        return {}
