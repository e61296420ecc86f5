"""The settings of the optimizer, AdamW."""

from __future__ import annotations

import tinker
from attrs import field, frozen

from tinker_core.validators import non_negative, positive


def _betas(_: object, __: object, value: tuple[float, float]) -> None:
    if len(value) != 2 or not all(0.0 <= beta < 1.0 for beta in value):
        raise ValueError(f"betas must be two numbers in [0, 1), not {value!r}")


@frozen(kw_only=True)
class Adam:
    """AdamW (Loshchilov and Hutter, 2019)."""

    learning_rate: float = field(default=1e-4, validator=positive)
    """Peak learning rate, which the schedule multiplies."""
    betas: tuple[float, float] = field(default=(0.9, 0.95), validator=_betas)
    """Decay rates of the first and the second moment."""
    eps: float = field(default=1e-12, validator=positive)
    """Added to the square root of the second moment."""
    weight_decay: float = field(default=0.0, validator=non_negative)
    """Decoupled weight decay: each step shrinks weights by learning_rate * weight_decay."""
    grad_clip_norm: float = field(default=0.0, validator=non_negative)
    """Largest norm of the gradient of all weights; larger ones are scaled down. 0: no limit."""


def adam_params(adam: Adam, multiplier: float = 1.0) -> tinker.AdamParams:
    """The settings in the SDK's type, with the learning rate times `multiplier`."""
    return tinker.AdamParams(
        learning_rate=adam.learning_rate * multiplier,
        beta1=adam.betas[0],
        beta2=adam.betas[1],
        eps=adam.eps,
        weight_decay=adam.weight_decay,
        grad_clip_norm=adam.grad_clip_norm,
    )
