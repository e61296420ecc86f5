"""The KL penalty: hold the policy to a reference model, token by token."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tinker
from attrs import field, frozen, validators

from tinker_core.validators import positive
from tinker_rl.trajectory import TrajectoryGroup
from tinker_rl.update.advantage_transform import Transformed, logprobs_under, mean_log_ratio
from tinker_rl.update.kl import kl_advantages
from tinker_rl.update.training_sequence import TrainingSequence, add_to_advantages
from tinker_train import gather


@frozen(kw_only=True)
class KLPenalty:
    """Penalty on KL(policy || reference)."""

    coefficient: float = field(validator=positive)
    """Units of reward that a nat costs."""
    discount: float = field(default=0.0, validator=[validators.ge(0.0), validators.le(1.0)])
    """Discount, for each token, of the penalty of later tokens; 0 leaves each token its own."""
    reference: str | None = None
    """Sampler checkpoint (`tinker://` path) of the reference; absent: the base model."""


@frozen
class PullToReference:
    """The `AdvantageTransform` of a KL penalty."""

    client: tinker.SamplingClient
    """The reference model."""
    penalty: KLPenalty

    async def __call__(
        self, sequences: Sequence[TrainingSequence], groups_P: Sequence[TrajectoryGroup]
    ) -> Transformed:
        """Add the penalty minus its mean over the batch, which keeps the mean advantage."""
        reference_D = await gather(logprobs_under(self.client, each) for each in sequences)
        terms_D = [
            kl_advantages(
                sequence.sampled_logprobs,
                reference_S,
                self.penalty.coefficient,
                self.penalty.discount,
            )
            for sequence, reference_S in zip(sequences, reference_D, strict=True)
        ]
        mean = float(np.concatenate(terms_D).mean())
        penalised = [
            add_to_advantages(sequence, terms_S - mean)
            for sequence, terms_S in zip(sequences, terms_D, strict=True)
        ]
        return penalised, {"kl_policy_reference": mean_log_ratio(sequences, reference_D)}
