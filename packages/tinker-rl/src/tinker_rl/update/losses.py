"""Which loss the engine is to take, and how it is normalised.

With r = p / q of a sampled token (p the model in training, q the sampler), A its advantage, all
sums over the sampled tokens of a step:

    importance_sampling   -sum r A
    ppo      -sum min(r A, clip(r, low, high) A)                 Schulman et al., 2017
    cispo    -sum stop_gradient(clip(r, low, high)) A log p      MiniMax, 2025
    dro      -sum (A log p - beta/2 (log p - log q)^2)           Richemond et al., 2024
    gspo     -sum min(s A, clip(s, low, high) A),                Zheng et al., 2025
             s the geometric mean of r over the sequence

A token of a prompt carries neither logprob nor advantage; by that an engine knows it, which matters
for `dro` alone.

Where samples may come from older weights than those in training, use one that clips: plain
importance sampling lets single tokens with a large r dominate the step.

Engines sum. A normalisation is therefore a factor on the advantages:

    token      1 / (sampled tokens of the step): every token counts the same (DAPO, Yu et al., 2025)
    sequence   1 / (sequences of the step * sampled tokens of this one): every sequence the same
    none       1: a plain sum, so that the gradient grows with batch and length
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import tinker
from attrs import field, frozen, validators

from tinker_core import ConfigError, next_token_datum
from tinker_rl.update.training_sequence import TokenLedger, model_input, sampled_tokens

LossName = Literal["importance_sampling", "ppo", "cispo", "dro", "gspo"]
Normalisation = Literal["token", "sequence", "none"]
_CLIPPING = {"ppo": (0.8, 1.2), "cispo": (0.0, 4.0), "gspo": (1 - 3e-4, 1 + 4e-4)}
_DRO_BETA = 0.05


@frozen(kw_only=True)
class Loss:
    """The policy loss; the module says each formula."""

    name: LossName = field(
        default="importance_sampling",
        validator=validators.in_(("importance_sampling", "ppo", "cispo", "dro", "gspo")),
    )
    """`importance_sampling` (default), `ppo`, `cispo`, `dro` or `gspo`."""
    clip_low: float | None = field(default=None, validator=validators.optional(validators.ge(0.0)))
    """Least ratio (not its distance from 1); absent: the paper's, 0.8 for ppo, 0 for cispo."""
    clip_high: float | None = field(default=None, validator=validators.optional(validators.gt(0.0)))
    """Greatest ratio; absent: the paper's, 1.2 for ppo, 4 for cispo."""
    beta: float | None = field(default=None, validator=validators.optional(validators.gt(0.0)))
    """Strength of the quadratic term of `dro`; absent: 0.05."""
    normalise: Normalisation = field(
        default="token", validator=validators.in_(("token", "sequence", "none"))
    )
    """What one step's loss is an average over: its tokens, its sequences, or nothing."""

    def __attrs_post_init__(self) -> None:
        clips = self.clip_low is not None or self.clip_high is not None
        if clips and self.name not in _CLIPPING:
            raise ConfigError(f"loss {self.name} does not clip: clip_* must be absent")
        if self.beta is not None and self.name != "dro":
            raise ConfigError(f"loss {self.name} has no beta: it must be absent")
        if self.name == "dro" and self.normalise == "sequence":
            raise ConfigError("loss dro has one beta for all sequences: normalise by token or none")
        low, high = self.clip_range
        if low >= high:
            raise ConfigError(f"clip_low {low} must be less than clip_high {high}")

    @property
    def clip_range(self) -> tuple[float, float]:
        """Least and greatest ratio; everything where the loss does not clip."""
        low, high = _CLIPPING.get(self.name, (0.0, float("inf")))
        return (
            low if self.clip_low is None else self.clip_low,
            high if self.clip_high is None else self.clip_high,
        )


def loss_settings(
    loss: Loss, ledgers: Sequence[TokenLedger], *, share: float = 1.0
) -> dict[str, float | str] | None:
    """The engine's settings for `loss_datums` of the same arguments."""
    if loss.name in _CLIPPING:
        low, high = loss.clip_range
        return {"clip_low_threshold": low, "clip_high_threshold": high}
    if loss.name == "dro":
        beta = _DRO_BETA if loss.beta is None else loss.beta
        tokens = max(sampled_tokens(ledgers), 1)
        return {"beta": share * beta / tokens if loss.normalise == "token" else beta}
    return None


def loss_datums(
    loss: Loss, ledgers: Sequence[TokenLedger], *, share: float = 1.0
) -> list[tinker.Datum]:
    """The datums of one step, normalised over exactly these ledgers.

    `share` is the part that they are of a step which is sent in several pieces.
    """
    tokens = max(sampled_tokens(ledgers), 1)
    datums = []
    for ledger in ledgers:
        match loss.normalise:
            case "token":
                factor = share / tokens
            case "sequence":
                factor = share / (len(ledgers) * int(ledger.sampled.sum()))
            case "none":
                factor = 1.0
        more = {"sequence_ratio_mask": ledger.sampled} if loss.name == "gspo" else {}
        datum = next_token_datum(
            ledger.tokens.tolist(),
            logprobs=ledger.logprobs,
            advantages=ledger.advantages * factor,
            **{name: np.asarray(mask, dtype=np.float32) for name, mask in more.items()},
        )
        if ledger.images:
            seen = model_input(ledger, end=len(ledger.tokens) - 1)
            datum = tinker.Datum(model_input=seen, loss_fn_inputs=datum.loss_fn_inputs)
        datums.append(datum)
    return datums
