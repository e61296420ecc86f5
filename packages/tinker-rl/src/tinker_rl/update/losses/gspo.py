"""GSPO: -sum min(s A, clip(s, low, high) A) (Zheng et al., 2025).

s is the geometric mean of r over the sampled tokens of the sequence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from tinker.types import LossFnType

from tinker_rl.update.losses.loss import ClippedLoss
from tinker_rl.update.training_sequence import TrainingSequence


@frozen(kw_only=True)
class Gspo(ClippedLoss):
    """One ratio for a whole sequence."""

    name: ClassVar[LossFnType] = "gspo"
    clip_low: float = 1 - 3e-4
    clip_high: float = 1 + 4e-4

    def inputs(self, sequence: TrainingSequence) -> Mapping[str, NDArray[np.float32]]:
        """The tokens that the mean is over."""
        return {"sequence_ratio_mask": sequence.sampled.astype(np.float32)}
