"""Settings of the policy update."""

from __future__ import annotations

from typing import Annotated

import tyro
from attrs import field, frozen, validators

from tinker_rl.update.advantages import Advantage
from tinker_rl.update.losses.cispo import Cispo
from tinker_rl.update.losses.dro import Dro
from tinker_rl.update.losses.gspo import Gspo
from tinker_rl.update.losses.importance_sampling import ImportanceSampling
from tinker_rl.update.losses.loss import Loss
from tinker_rl.update.losses.ppo import Ppo

CommandLineLoss = ImportanceSampling | Ppo | Cispo | Dro | Gspo
"""The losses that a command line offers."""


@frozen(kw_only=True)
class UpdateConfig:
    """Settings of the step from a batch to optimizer steps."""

    advantage: Advantage = field(factory=Advantage)
    loss: Annotated[Loss, tyro.conf.arg(constructor=CommandLineLoss)] = field(
        factory=ImportanceSampling
    )
    """The policy loss."""
    remove_constant_groups: bool = False
    """Drop groups without a difference in reward. They are counted in any case."""
    num_substeps: int = field(default=1, validator=validators.ge(1))
    """Optimizer steps that a batch is divided into. With more than one, use a loss that clips."""
    recompute_logprobs: bool = False
    """Replace the sampler's logprobs by the trained model's, with one more forward pass. It is for
    engines whose sampler and trainer disagree."""
