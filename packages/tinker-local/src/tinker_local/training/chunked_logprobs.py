"""Logprobs of target tokens in chunks of rows, so that the logits of all rows never fill memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from attrs import frozen
from torch import Tensor

from tinker_local.model.base import BaseModel
from tinker_local.model.lora_adapter import LoraAdapter
from tinker_local.model.lora_layer import Segment


class _TargetLogprobs(torch.autograd.Function):
    """log_softmax(logits) at targets (R, K). Backward reuses the memory of forward."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        logp = torch.log_softmax(logits, -1)
        ctx.save_for_backward(logp, targets)
        return logp.gather(-1, targets)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        logp, targets = ctx.saved_tensors
        gradient = gradients[0]
        result = logp.exp_().mul_(-gradient.sum(-1, keepdim=True))
        return result.scatter_add_(-1, targets, gradient), None


@frozen(eq=False)
class TargetGradient:
    """The result of a backward pass through the unembedding, for R rows."""

    lp: Tensor
    """Logprobs of the targets, (R, K)."""
    losses: Tensor
    """Shape (R,)."""
    hidden: Tensor
    """The gradient of the sum of the losses for the hidden states, (R, width)."""


@torch.no_grad()
def target_logprobs(
    base: BaseModel, hidden: Tensor, targets: Tensor, adapter: LoraAdapter
) -> Tensor:
    """Logprobs (R, K) of targets (R, K) after hidden states (R, width)."""
    lp = torch.empty(targets.shape, device=hidden.device)
    for rows in base.row_chunks(len(targets)):
        chunk = hidden[rows]
        logits = base.logits(chunk, (Segment(adapter=adapter),))
        lp[rows] = torch.log_softmax(logits, -1).gather(-1, targets[rows])
    return lp


def backward_through_logits(
    base: BaseModel,
    hidden: Tensor,
    targets: Tensor,
    adapter: LoraAdapter,
    loss: Callable[[Tensor, slice], Tensor],
) -> TargetGradient:
    """Losses of hidden states (R, width), and their gradient for those.

    `loss` maps the logprobs of a slice of rows to their losses. The gradient of the unembedding's
    adapter is accumulated in its tensors.
    """
    lp = torch.empty(targets.shape, device=hidden.device)
    losses = torch.empty(len(targets), device=hidden.device)
    gradient = torch.empty_like(hidden)
    for rows in base.row_chunks(len(targets)):
        chunk = hidden[rows].detach().requires_grad_()
        logits = base.logits(chunk, (Segment(adapter=adapter),))
        chunk_lp: Tensor = _TargetLogprobs.apply(logits, targets[rows])  # type: ignore[no-untyped-call]
        chunk_losses = loss(chunk_lp, rows)
        torch.autograd.backward(chunk_losses.sum())
        lp[rows], losses[rows] = chunk_lp.detach(), chunk_losses.detach()
        assert chunk.grad is not None
        gradient[rows] = chunk.grad
    return TargetGradient(lp, losses, gradient)
