"""Importance sampling: -sum r A."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen
from tinker.types import LossFnType

from tinker_rl.update.losses.loss import Loss


@frozen(kw_only=True)
class ImportanceSampling(Loss):
    """Policy gradient with importance sampling, for on-policy training."""

    name: ClassVar[LossFnType] = "importance_sampling"
