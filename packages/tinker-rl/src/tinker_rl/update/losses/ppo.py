"""PPO: -sum min(r A, clip(r, low, high) A) (Schulman et al., 2017)."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen
from tinker.types import LossFnType

from tinker_rl.update.losses.loss import ClippedLoss


@frozen(kw_only=True)
class Ppo(ClippedLoss):
    """Clipped surrogate, for several optimizer steps a batch or asynchronous training."""

    name: ClassVar[LossFnType] = "ppo"
    clip_low: float = 0.8
    clip_high: float = 1.2
