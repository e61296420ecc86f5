"""The training run that `tinker-conformance parity` makes on both servers."""

from __future__ import annotations

from typing import Literal, get_args

from attrs import field, frozen, validators

LossName = Literal["cross_entropy", "importance_sampling", "ppo", "cispo"]
LOSS_NAMES: tuple[LossName, ...] = get_args(LossName)


@frozen(kw_only=True)
class Plan:
    """Data and hyperparameters of a run."""

    steps: int = field(default=5, validator=validators.ge(1))
    batch: int = field(default=4, validator=validators.ge(1))
    """Sequences in each step; every step trains on others."""
    length: int = field(default=32, validator=validators.ge(2))
    """Tokens of each sequence."""
    rank: int = field(default=8, validator=validators.ge(1))
    learning_rate: float = field(default=1e-4, validator=validators.gt(0))
    seed: int = 1
    loss: LossName = field(default="cross_entropy", validator=validators.in_(LOSS_NAMES))
