"""Advantages token by token: how far the policy may go from a reference, or towards a teacher."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tinker
from attrs import field, frozen, validators

from tinker_core import ConfigError, EngineError
from tinker_rl.trajectory import TrajectoryGroup
from tinker_rl.update.kl import kl_advantages
from tinker_rl.update.optimizer_step import Shaped
from tinker_rl.update.training_sequence import Floats, TokenLedger, add_to_advantages, model_input
from tinker_train import engine_errors, gather


@frozen(kw_only=True)
class KLPenalty:
    """Hold the policy to a reference model, by KL(policy || reference) token by token."""

    coefficient: float = field(validator=validators.gt(0.0))
    """How many units of reward a nat costs."""
    discount: float = field(default=0.0, validator=[validators.ge(0.0), validators.le(1.0)])
    """How much a token answers for the divergence of those after it."""
    reference: str | None = None
    """A sampler checkpoint (`tinker://` path); without it, the base model."""


@frozen
class Reference:
    """A `Shaper` that pulls towards a reference model."""

    client: tinker.SamplingClient
    penalty: KLPenalty

    async def __call__(
        self, ledgers: Sequence[TokenLedger], groups_P: Sequence[TrajectoryGroup]
    ) -> Shaped:
        """Add the penalty less its mean over the batch, so that it changes no average advantage."""
        reference_D = await gather(sampled_logprobs(self.client, ledger) for ledger in ledgers)
        more_D = [
            kl_advantages(
                ledger.sampled_logprobs,
                reference_S,
                self.penalty.coefficient,
                self.penalty.discount,
            )
            for ledger, reference_S in zip(ledgers, reference_D, strict=True)
        ]
        mean = float(np.concatenate(more_D).mean())
        shaped = [
            add_to_advantages(ledger, more_S - mean)
            for ledger, more_S in zip(ledgers, more_D, strict=True)
        ]
        return shaped, {"kl_policy_reference": mean_gap(ledgers, reference_D)}


def mean_gap(ledgers: Sequence[TokenLedger], other_D: Sequence[Floats]) -> float:
    """Mean of log policy - log other over sampled tokens: k1 of KL(policy || other)."""
    gaps = [
        ledger.sampled_logprobs - other_S for ledger, other_S in zip(ledgers, other_D, strict=True)
    ]
    return float(np.concatenate(gaps).mean()) if gaps else 0.0


async def sampled_logprobs(client: tinker.SamplingClient, ledger: TokenLedger) -> Floats:
    """The model's logprobs of a sequence's sampled tokens; raises EngineError without them."""
    with engine_errors(f"compute_logprobs of {len(ledger.tokens)} tokens"):
        found = await client.compute_logprobs(model_input(ledger))
    logprobs_T = np.array([np.nan if value is None else value for value in found])
    if len(logprobs_T) != len(ledger.tokens) or np.isnan(logprobs_T[ledger.sampled]).any():
        raise EngineError(
            f"compute_logprobs gave {len(found)} numbers for {len(ledger.tokens)} tokens, or none "
            "for a sampled one"
        )
    return logprobs_T[ledger.sampled]


def check_temperature(temperature: float) -> None:
    """Raise ConfigError where samples and logprobs would be of different distributions."""
    if temperature != 1.0:
        raise ConfigError(
            "a KL penalty and a teacher compare logprobs of temperature 1, not samples "
            f"of temperature {temperature}"
        )
