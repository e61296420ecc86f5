"""The loss functions, each a formula over the logprobs of the target tokens.

lp is the logprob of the target under the model, q the `logprobs` the tokens were sampled with, A
the `advantages`, r = exp(lp - q). Every loss is a sum over tokens and sequences, nothing is
normalised. Formulas and defaults are those that Tinker documents for the losses of the same names;
where it documents none, the default says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from attrs import frozen
from torch import Tensor

from tinker_local.errors import RequestError

Columns = Mapping[str, Tensor]
Config = Mapping[str, float]


@frozen(kw_only=True)
class Loss:
    """A loss by name: what it takes and how it is computed."""

    name: str
    required: tuple[str, ...]
    """Inputs beside `target_tokens` that a datum must bring."""
    optional: tuple[str, ...] = ()
    config: dict[str, float]
    """The keys it takes, with their defaults."""
    terms: Callable[[Tensor, Columns, Config], Tensor]
    """The loss (R,) of each row from the logprobs (R, K) of its targets and inputs (R, K)."""
    live: Callable[[Columns], Tensor]
    """Which rows can have a gradient at all, bool (R,)."""
    sequence_wide: bool = False
    """A row's term depends on the other rows of its datum, all of which must be given at once."""


def _cross_entropy(lp: Tensor, columns: Columns, config: Config) -> Tensor:
    return -(columns["weights"] * lp).sum(-1)


def _importance_sampling(lp: Tensor, columns: Columns, config: Config) -> Tensor:
    ratio = torch.exp(lp - columns["logprobs"])
    return -(ratio * columns["advantages"]).sum(-1)


def _clipped(ratio: Tensor, advantages: Tensor, config: Config) -> Tensor:
    """The pessimistic surrogate of PPO (Schulman et al. 2017, arXiv:1707.06347, eq. 7)."""
    clipped = ratio.clamp(config["clip_low_threshold"], config["clip_high_threshold"])
    return -torch.minimum(ratio * advantages, clipped * advantages).sum(-1)


def _ppo(lp: Tensor, columns: Columns, config: Config) -> Tensor:
    ratio = torch.exp(lp - columns["logprobs"])
    return _clipped(ratio, columns["advantages"], config)


def _cispo(lp: Tensor, columns: Columns, config: Config) -> Tensor:
    """MiniMax-M1 (arXiv:2506.13585): the clipped ratio is a mere factor of the policy gradient."""
    ratio = torch.exp(lp.detach() - columns["logprobs"])
    clipped = ratio.clamp(config["clip_low_threshold"], config["clip_high_threshold"])
    return -(clipped * lp * columns["advantages"]).sum(-1)


def _dro(lp: Tensor, columns: Columns, config: Config) -> Tensor:
    """Direct reward optimisation (Richemond et al. 2024, arXiv:2405.19107)."""
    drift = lp - columns["logprobs"]
    return -(lp * columns["advantages"] - 0.5 * config["beta"] * drift.square()).sum(-1)


def _gspo(lp: Tensor, columns: Columns, config: Config) -> Tensor:
    """GSPO-token (Zheng et al. 2025, arXiv:2507.18071): one ratio, a geometric mean, per datum."""
    counted = (columns["sequence_ratio_mask"] != 0).to(lp.dtype)
    frozen_lp = lp.detach()
    mean = (counted * (frozen_lp - columns["logprobs"])).sum() / counted.sum()
    ratio = torch.exp(mean) * torch.exp(lp - frozen_lp)
    return _clipped(ratio, columns["advantages"], config)


def _has_weight(columns: Columns) -> Tensor:
    return (columns["weights"] != 0).any(-1)


def _has_advantage(columns: Columns) -> Tensor:
    return (columns["advantages"] != 0).any(-1)


def _was_sampled(columns: Columns) -> Tensor:
    # DRO also pulls at tokens of advantage 0. Those of a prompt, which carry neither an advantage
    # nor a logprob, were not sampled and must not be pulled.
    return _has_advantage(columns) | (columns["logprobs"] != 0).any(-1)


_CLIP = {"clip_low_threshold": 0.8, "clip_high_threshold": 1.2}
_RATIO = ("logprobs", "advantages")

LOSSES = {
    loss.name: loss
    for loss in (
        Loss(
            name="cross_entropy",
            required=(),
            optional=("weights",),
            config={},
            terms=_cross_entropy,
            live=_has_weight,
        ),
        Loss(
            name="importance_sampling",
            required=_RATIO,
            config={},
            terms=_importance_sampling,
            live=_has_advantage,
        ),
        Loss(name="ppo", required=_RATIO, config=_CLIP, terms=_ppo, live=_has_advantage),
        Loss(
            name="cispo",
            required=_RATIO,
            config={"clip_low_threshold": 0.0, "clip_high_threshold": 4.0},
            terms=_cispo,
            live=_has_advantage,
        ),
        Loss(
            name="dro",
            required=_RATIO,
            config={"beta": 0.05},  # the value of the documentation's example; it states no default
            terms=_dro,
            live=_was_sampled,
        ),
        Loss(
            name="gspo",
            required=(*_RATIO, "sequence_ratio_mask"),
            config=_CLIP,  # ppo's: the documentation states no default
            terms=_gspo,
            live=_has_advantage,
            sequence_wide=True,
        ),
    )
}


@frozen
class Objective:
    """A loss with its complete configuration."""

    loss: Loss
    config: Config


def find_objective(name: str, config: Mapping[str, float | str]) -> Objective:
    """RequestError for a loss, a config key or a value that is not known."""
    if name not in LOSSES:
        raise RequestError(f"loss {name!r} is not served here; there are {', '.join(LOSSES)}")
    loss = LOSSES[name]
    values = dict(loss.config)
    for key, value in config.items():
        if key not in values:
            takes = ", ".join(values) or "none"
            raise RequestError(f"loss {name!r} has no config key {key!r}; it takes {takes}")
        if isinstance(value, str) or math.isnan(value):
            raise RequestError(f"loss {name!r}: config {key!r} must be a number, not {value!r}")
        values[key] = float(value)
    low, high = values.get("clip_low_threshold", 0.0), values.get("clip_high_threshold", 0.0)
    if low > high:
        raise RequestError(f"loss {name!r}: clip_low_threshold {low} > clip_high_threshold {high}")
    return Objective(loss, values)


def row_losses(
    lp: Tensor, columns: Columns, objective: Objective, lengths: Sequence[int]
) -> Tensor:
    """The loss of every row (R,) of datums of the given lengths; exactly 0 where not live."""
    loss, config = objective.loss, objective.config
    live = loss.live(columns)
    if loss.sequence_wide:
        pieces = torch.split(lp, list(lengths))
        inputs = _split(columns, lengths)
        terms = [loss.terms(p, i, config) for p, i in zip(pieces, inputs, strict=True)]
        return torch.where(live, torch.cat(terms), 0.0)
    losses = torch.zeros(len(lp), device=lp.device)
    losses[live] = loss.terms(lp[live], {k: v[live] for k, v in columns.items()}, config)
    return losses


def _split(columns: Columns, lengths: Sequence[int]) -> list[dict[str, Tensor]]:
    split = {name: torch.split(column, list(lengths)) for name, column in columns.items()}
    return [{name: split[name][i] for name in split} for i in range(len(lengths))]


def linearised(
    lp: Tensor, columns: Columns, objective: Objective, lengths: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """The losses (R,), and the weights (R, K) of the cross-entropy of the same gradient at lp."""
    leaf = lp.detach().requires_grad_()
    with torch.enable_grad():
        losses = row_losses(leaf, columns, objective, lengths)
        (gradient,) = torch.autograd.grad(losses.sum(), leaf)
    # A ratio that overflowed makes nan out of the zero gradient of rows that have no part in the
    # loss.
    live = objective.loss.live(columns)
    return losses.detach(), torch.where(live[:, None], -gradient, 0.0)
