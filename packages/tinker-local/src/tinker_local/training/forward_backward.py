"""The forward pass of a micro-batch, with or without the backward pass."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import torch
from attrs import frozen
from torch import Tensor

from tinker_local.model.base import BaseModel
from tinker_local.model.lora_adapter import LoraAdapter
from tinker_local.model.lora_layer import Segment
from tinker_local.training.chunked_logprobs import backward_through_logits, target_logprobs
from tinker_local.training.losses.cross_entropy import CrossEntropy
from tinker_local.training.losses.loss import Inputs, Loss
from tinker_local.training.packing import MicroBatch

MICRO_BATCH_TOKENS = 1024
"""Rows of a micro-batch: enough for efficient matrix kernels, few enough for memory."""
CHECKPOINTING_TOKENS = 1536
"""A longer micro-batch, which is one long sequence, uses activation checkpointing."""


@frozen(eq=False)
class TokenLosses:
    """Logprobs (R, K) of the targets of R rows, and the loss (R,) of each row."""

    lp: Tensor
    losses: Tensor


@torch.no_grad()
def forward(base: BaseModel, adapter: LoraAdapter, batch: MicroBatch, loss: Loss) -> TokenLosses:
    """The losses, without gradients."""
    hidden = _hidden_states(base, adapter, batch)
    lp = target_logprobs(base, hidden, batch.targets, adapter)
    return TokenLosses(lp, token_losses(lp, batch.inputs, loss, batch.lengths))


def forward_backward(
    base: BaseModel, adapter: LoraAdapter, batch: MicroBatch, loss: Loss
) -> TokenLosses:
    """The losses. Their gradient is added to the `grad` of the adapter's tensors."""
    checkpointing = sum(batch.lengths) > CHECKPOINTING_TOKENS
    with base.activation_checkpointing() if checkpointing else contextlib.nullcontext():
        hidden = _hidden_states(base, adapter, batch)
        if loss.level == "token":
            return _backward(base, adapter, hidden, batch, loss)
        # The gradient of one row needs the logprobs of its whole sequence. Compute those first,
        # then send back the cross-entropy that has the same gradient.
        lp = target_logprobs(base, hidden, batch.targets, adapter)
        losses, weights = linearise(lp, batch.inputs, loss, batch.lengths)
        linear = MicroBatch(batch.datums, batch.targets, {"weights": weights})
        _backward(base, adapter, hidden, linear, CrossEntropy())
        return TokenLosses(lp, losses)


def _hidden_states(base: BaseModel, adapter: LoraAdapter, batch: MicroBatch) -> Tensor:
    tokens = [datum.tokens.to(base.device) for datum in batch.datums]
    return base.forward(tokens, (Segment(adapter=adapter),))


def _backward(
    base: BaseModel, adapter: LoraAdapter, hidden: Tensor, batch: MicroBatch, loss: Loss
) -> TokenLosses:
    """Losses and gradients of a token-level loss.

    The rows that can have a gradient go back through the unembedding chunk by chunk, and then
    through the layers at once.
    """
    trains = loss.trains(batch.inputs)
    trained, other = trains.nonzero().squeeze(-1), (~trains).nonzero().squeeze(-1)
    lp = torch.empty(batch.targets.shape, device=hidden.device)
    losses = torch.zeros(len(lp), device=hidden.device)
    lp[other] = target_logprobs(base, hidden.detach()[other], batch.targets[other], adapter)
    if not len(trained):
        return TokenLosses(lp, losses)
    inputs = {name: column[trained] for name, column in batch.inputs.items()}

    def chunk_losses(chunk_lp: Tensor, rows: slice) -> Tensor:
        return loss.token_losses(chunk_lp, {name: x[rows] for name, x in inputs.items()})

    reached = hidden[trained]
    result = backward_through_logits(base, reached, batch.targets[trained], adapter, chunk_losses)
    lp[trained], losses[trained] = result.lp, result.losses
    if reached.requires_grad:
        torch.autograd.backward(reached, result.hidden)
    return TokenLosses(lp, losses)


def token_losses(lp: Tensor, inputs: Inputs, loss: Loss, lengths: Sequence[int]) -> Tensor:
    """The loss (R,) of every row of sequences of these lengths; 0 where a row does not train."""
    trains = loss.trains(inputs)
    if loss.level == "token":
        losses = torch.zeros(len(lp), device=lp.device)
        trained = {name: column[trains] for name, column in inputs.items()}
        losses[trains] = loss.token_losses(lp[trains], trained)
        return losses
    columns = [torch.split(column, list(lengths)) for column in (lp, *inputs.values())]
    by_sequence = [
        loss.token_losses(sequence_lp, dict(zip(inputs, sequence_inputs, strict=True)))
        for sequence_lp, *sequence_inputs in zip(*columns, strict=True)
    ]
    return torch.where(trains, torch.cat(by_sequence), 0.0)


def linearise(
    lp: Tensor, inputs: Inputs, loss: Loss, lengths: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """The losses (R,), and the weights (R, K) of the cross-entropy with the same gradient at lp."""
    leaf = lp.detach().requires_grad_()
    with torch.enable_grad():
        losses = token_losses(leaf, inputs, loss, lengths)
        (gradient,) = torch.autograd.grad(losses.sum(), leaf)
    # Where a ratio overflows, autograd makes NaN of the zero gradient of a row that does not train.
    return losses.detach(), torch.where(loss.trains(inputs)[:, None], -gradient, 0.0)
