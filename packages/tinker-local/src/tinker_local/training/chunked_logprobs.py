"""Logprobs of chosen tokens, in chunks of rows so that the vocabulary never fills memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from tinker_local.model.base import BaseModel, chunks
from tinker_local.model.lora import LoraWeights, Segment


class _Chosen(torch.autograd.Function):
    """log_softmax(logits) at targets (R, K); backward works in the memory of forward."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        logp = torch.log_softmax(logits, -1)
        ctx.save_for_backward(logp, targets)
        return logp.gather(-1, targets)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        logp, targets = ctx.saved_tensors
        gradient = gradients[0]
        into = logp.exp_().mul_(-gradient.sum(-1, keepdim=True))
        return into.scatter_add_(-1, targets, gradient), None


def _one(weights: LoraWeights | None, rows: int) -> Sequence[Segment]:
    return () if weights is None else (Segment(start=0, end=rows, weights=weights),)


@torch.no_grad()
def score(base: BaseModel, hidden: Tensor, targets: Tensor, weights: LoraWeights | None) -> Tensor:
    """Logprobs (R, K) of targets (R, K) after hidden states (R, width)."""
    scored = torch.empty(targets.shape, device=hidden.device)
    for rows in chunks(len(targets), base.vocab_size):
        piece = hidden[rows]
        logits = base.logits(piece, _one(weights, len(piece)))
        scored[rows] = torch.log_softmax(logits, -1).gather(-1, targets[rows])
    return scored


def score_and_push(
    base: BaseModel,
    hidden: Tensor,
    targets: Tensor,
    weights: LoraWeights,
    loss: Callable[[Tensor, slice], Tensor],
) -> tuple[Tensor, Tensor, Tensor]:
    """Logprobs (R, K), losses (R,), and the gradient of their sum for `hidden` (R, width).

    `loss` maps logprobs of a slice of rows to their losses. Gradients of the unembedding's adapter
    are accumulated in its tensors.
    """
    scored = torch.empty(targets.shape, device=hidden.device)
    losses = torch.empty(len(targets), device=hidden.device)
    pushed = torch.empty_like(hidden)
    for rows in chunks(len(targets), base.vocab_size):
        piece = hidden[rows].detach().requires_grad_()
        logits = base.logits(piece, _one(weights, len(piece)))
        lp: Tensor = _Chosen.apply(logits, targets[rows])  # type: ignore[no-untyped-call]
        terms = loss(lp, rows)
        torch.autograd.backward(terms.sum())
        scored[rows], losses[rows] = lp.detach(), terms.detach()
        assert piece.grad is not None
        pushed[rows] = piece.grad
    return scored, losses, pushed
