"""One pass of a loss over a group of datums, forward alone or forward and backward."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import torch
from attrs import frozen
from torch import Tensor

from tinker_local.model.base import BaseModel
from tinker_local.model.lora import LoraWeights, Segment
from tinker_local.training.chunked_logprobs import score, score_and_push
from tinker_local.training.losses import LOSSES, Objective, linearised, row_losses
from tinker_local.training.packing import Rows, stack

PACK_TOKENS = 1024
"""Rows of one pass: enough to fill the matrix kernels, few enough for memory."""
RECOMPUTE_TOKENS = 1536
"""A longer pass, one long sequence, recomputes its layers in backward."""


@frozen(eq=False)
class Scored:
    """Logprobs (R, K) of the targets of R rows and the loss (R,) of each row."""

    lp: Tensor
    losses: Tensor


@frozen(eq=False)
class _Inputs:
    """A group's targets (R, K) and loss inputs (R, K), one datum after another."""

    targets: Tensor
    columns: dict[str, Tensor]
    lengths: list[int]


def _laid_out(group: Sequence[Rows], device: torch.device) -> _Inputs:
    return _Inputs(
        targets=stack([rows.targets for rows in group]).to(device),
        columns={
            name: stack([rows.columns[name] for rows in group]).to(device)
            for name in group[0].columns
        },
        lengths=[len(rows) for rows in group],
    )


def _hidden(base: BaseModel, weights: LoraWeights, group: Sequence[Rows]) -> Tensor:
    tokens = [rows.tokens.to(base.device) for rows in group]
    everything = Segment(start=0, end=sum(len(rows) for rows in group), weights=weights)
    return base.hidden(tokens, (everything,))


@torch.no_grad()
def evaluate(
    base: BaseModel, weights: LoraWeights, group: Sequence[Rows], objective: Objective
) -> Scored:
    """The loss, without gradients."""
    inputs = _laid_out(group, base.device)
    lp = score(base, _hidden(base, weights, group), inputs.targets, weights)
    return Scored(lp, row_losses(lp, inputs.columns, objective, inputs.lengths))


def differentiate(
    base: BaseModel, weights: LoraWeights, group: Sequence[Rows], objective: Objective
) -> Scored:
    """The loss; its gradient is added to the `grad` of the adapter's tensors."""
    inputs = _laid_out(group, base.device)
    long = sum(inputs.lengths) > RECOMPUTE_TOKENS
    with base.recomputing() if long else contextlib.nullcontext():
        hidden = _hidden(base, weights, group)
        if not objective.loss.sequence_wide:
            return _push(base, weights, hidden, inputs, objective)
        # The gradient of one row needs the logprobs of its whole datum: score first, then push the
        # linear loss that has this gradient.
        lp = score(base, hidden, inputs.targets, weights)
        losses, factors = linearised(lp, inputs.columns, objective, inputs.lengths)
        linear = _Inputs(inputs.targets, {"weights": factors}, inputs.lengths)
        _push(base, weights, hidden, linear, Objective(LOSSES["cross_entropy"], {}))
        return Scored(lp, losses)


def _push(
    base: BaseModel, weights: LoraWeights, hidden: Tensor, inputs: _Inputs, objective: Objective
) -> Scored:
    """Score every row; those that can have a gradient go backward through the head at once.

    The layers then go backward once.
    """
    is_live = objective.loss.live(inputs.columns)
    live, idle = is_live.nonzero().squeeze(-1), (~is_live).nonzero().squeeze(-1)
    lp = torch.empty(inputs.targets.shape, device=hidden.device)
    losses = torch.zeros(len(lp), device=hidden.device)
    lp[idle] = score(base, hidden.detach()[idle], inputs.targets[idle], weights)
    if not len(live):
        return Scored(lp, losses)
    columns = {name: column[live] for name, column in inputs.columns.items()}

    def loss(piece: Tensor, rows: slice) -> Tensor:
        inputs = {name: column[rows] for name, column in columns.items()}
        return objective.loss.terms(piece, inputs, objective.config)

    reached = hidden[live]
    lp[live], losses[live], gradient = score_and_push(
        base, reached, inputs.targets[live], weights, loss
    )
    if reached.requires_grad:
        torch.autograd.backward(reached, gradient)
    return Scored(lp, losses)
