"""Mixtures of experts with low-rank adapters: every expert has a pair of matrices of its own.

transformers keeps the weights of all experts of a layer in one parameter. It calls `lora_experts`
in every layer of experts whose experts implementation is `LORA_EXPERTS`.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from attrs import frozen
from torch import Tensor
from transformers.integrations.moe import ALL_EXPERTS_FUNCTIONS

from tinker_local.model.lora_layer import active_segments

LORA_EXPERTS = "tinker_local_lora"
PATH = "tinker_local_path"
"""The attribute of a layer of experts that holds its path in the model."""


@frozen(eq=False)
class _Routing:
    """The pairs of a token and an expert that it is routed to, by expert and then by token."""

    tokens: Tensor
    """The token of each pair, shape (pairs,)."""
    counts: list[int]
    """The number of pairs of each expert."""


def lora_experts(
    experts: Any, hidden_states: Tensor, top_k_index: Tensor, top_k_weights: Tensor
) -> Tensor:
    """transformers' experts interface: hidden states (T, width), indices and weights (T, K)."""
    indices = top_k_index.flatten()
    order = indices.argsort(stable=True)
    counts = torch.bincount(indices, minlength=len(experts.down_proj)).tolist()
    routing = _Routing(order // top_k_index.shape[-1], counts)
    x = hidden_states[routing.tokens]
    if experts.has_gate:
        x = experts._apply_gate(_linear(experts, "gate_up_proj", x, routing))
    else:
        x = experts.act_fn(_linear(experts, "up_proj", x, routing))
    x = _linear(experts, "down_proj", x, routing)
    if getattr(experts, "has_post_expert_norm", False):
        x = experts.post_expert_norm(x)
    x = x * top_k_weights.flatten()[order, None]
    by_token = x[order.argsort()].view(*top_k_index.shape, -1)
    return by_token.sum(1).to(hidden_states.dtype)


def _linear(experts: Any, name: str, x: Tensor, routing: _Routing) -> Tensor:
    """Each expert's linear layer, with the active adapters, on its rows of x (pairs, inputs)."""
    weights = getattr(experts, name)
    if experts.is_transposed:
        weights = weights.transpose(1, 2)
    biases = getattr(experts, f"{name}_bias") if experts.has_bias else [None] * len(weights)
    adapters = []
    for segment in active_segments():
        pair = segment.adapter.pairs.get(f"{getattr(experts, PATH)}.{name}")
        if pair is not None:
            a, b = (matrix.to(x.dtype) for matrix in pair.by_expert(len(weights)))
            adapters.append((segment, a, b))
    results = []
    parts = (torch.split(column, routing.counts) for column in (x, routing.tokens))
    for expert, (rows, tokens) in enumerate(zip(*parts, strict=True)):
        y = F.linear(rows, weights[expert], biases[expert])
        for segment, a, b in adapters:
            start, end = _rows(tokens, segment.start, segment.end)
            low_rank = rows[start:end] @ a[expert].t() @ b[expert].t()
            y[start:end].add_(low_rank, alpha=segment.adapter.scale)
        results.append(y)
    return torch.cat(results)


def _rows(tokens: Tensor, start: int, end: int | None) -> tuple[int, int]:
    """The rows of the tokens in [start, end); tokens ascend."""
    if start == 0 and end is None:
        return 0, len(tokens)
    limits = torch.tensor([start, torch.iinfo(torch.long).max if end is None else end])
    first, last = torch.searchsorted(tokens, limits.to(tokens.device)).tolist()
    return first, last


ALL_EXPERTS_FUNCTIONS.register(LORA_EXPERTS, lora_experts)
