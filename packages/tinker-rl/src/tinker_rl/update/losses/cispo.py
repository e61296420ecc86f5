"""CISPO: -sum stop_gradient(clip(r, low, high)) A log p (MiniMax, 2025)."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen
from tinker.types import LossFnType

from tinker_rl.update.losses.loss import ClippedLoss


@frozen(kw_only=True)
class Cispo(ClippedLoss):
    """Like PPO, but clipped tokens keep a gradient."""

    name: ClassVar[LossFnType] = "cispo"
    clip_low: float = 0.0
    clip_high: float = 4.0
