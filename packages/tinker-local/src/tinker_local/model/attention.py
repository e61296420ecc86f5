"""Causal attention over ragged rows: sequences of different lengths, one after another, no padding.

transformers calls `ragged_attention` in every layer of a model whose attention implementation is
`RAGGED`. It passes the call on to the `Attention` that `use_attention` has set for this forward
pass: `UncachedAttention` for whole sequences, `CachedAttention` for sequences in the KV cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any, Protocol

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from attrs import evolve, frozen
from torch import Tensor, nn
from transformers import AttentionInterface

RAGGED = "tinker_local_ragged"

_UNSUPPORTED = ("softcap", "s_aux", "position_bias")
"""Arguments that change the result of attention and that we do not implement."""


class NotRaggedError(Exception):
    """This architecture needs attention that cannot be computed over a ragged row."""


@frozen(eq=False)
class AttentionInputs:
    """The inputs of one layer's attention: T tokens, H heads, Hkv key and value heads, width D."""

    layer: int
    query: Tensor
    """Shape (T, H, D)."""
    key: Tensor
    """Shape (T, Hkv, D)."""
    value: Tensor
    """Shape (T, Hkv, D)."""
    scale: float | None
    window: int | None
    """Sliding window: a token attends to so many tokens, itself included. None: to all before."""

    def rows(self, rows: slice | Tensor) -> AttentionInputs:
        """The same call for some of its rows."""
        return evolve(self, query=self.query[rows], key=self.key[rows], value=self.value[rows])


class Attention(Protocol):
    """The attention of one forward pass, called once for each layer."""

    def __call__(self, inputs: AttentionInputs) -> Tensor:
        """The attended values, shape (T, H, D)."""


_active: list[Attention] = []
# A list and not a ContextVar: activation checkpointing may run a layer again in autograd's thread.


@contextmanager
def use_attention(attention: Attention) -> Iterator[None]:
    """Inside the block, every ragged attention layer calls `attention`."""
    _active.append(attention)
    try:
        yield
    finally:
        _active.pop()


def active_attention() -> Attention | None:
    """The attention of the innermost `use_attention` block."""
    return _active[-1] if _active else None


def ragged_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, None]:
    """transformers' attention interface: query (1, H, T, D), result (1, T, H, D)."""
    name = type(module).__name__
    if attention_mask is not None or options.get("is_causal") is False:
        raise NotRaggedError(f"{name} passes an attention mask of its own")
    if unsupported := [option for option in _UNSUPPORTED if options.get(option) is not None]:
        raise NotRaggedError(f"{name} needs {', '.join(unsupported)}")
    layer = getattr(module, "layer_idx", None)
    attention = active_attention()
    if layer is None or attention is None:
        raise NotRaggedError(f"{name} has no layer_idx, or runs outside of `use_attention`")
    query, key, value = (x[0].transpose(0, 1) for x in (query, key, value))
    scale, window = options.get("scaling"), options.get("sliding_window")
    result = attention(AttentionInputs(int(layer), query, key, value, scale, window))
    return result.unsqueeze(0), None


AttentionInterface.register(RAGGED, ragged_attention)


def causal_mask(queries: int, keys: int, window: int | None, device: torch.device) -> Tensor:
    """True where the last `queries` of `keys` tokens may attend; shape (queries, keys)."""
    mask = torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)
    return mask if window is None else mask.triu(keys - queries - window + 1)


def causal_attention(
    query: Tensor, key: Tensor, value: Tensor, scale: float | None, window: int | None
) -> Tensor:
    """Batched causal attention: query (B, H, Q, D), key and value (B, Hkv, K >= Q, D)."""
    queries, keys = query.shape[2], key.shape[2]
    grouped = query.shape[1] != key.shape[1]
    if queries == keys and (window is None or keys <= window):
        return F.scaled_dot_product_attention(
            query, key, value, is_causal=True, scale=scale, enable_gqa=grouped
        )
    mask = causal_mask(queries, keys, window, query.device)
    return F.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, scale=scale, enable_gqa=grouped
    )


class UncachedAttention:
    """Attention within whole sequences of the given lengths, from their first token on."""

    def __init__(self, lengths: Sequence[int]) -> None:
        self._runs = [(length, len(list(same))) for length, same in groupby(lengths)]

    def __call__(self, inputs: AttentionInputs) -> Tensor:
        """Neighbours of equal length are one batched call."""
        results = []
        start = 0
        for length, count in self._runs:
            end = start + length * count
            query, key, value = (
                x[start:end].view(count, length, *x.shape[1:]).transpose(1, 2)
                for x in (inputs.query, inputs.key, inputs.value)
            )
            result = causal_attention(query, key, value, inputs.scale, inputs.window)
            results.append(result.transpose(1, 2).reshape(length * count, *result.shape[1::2]))
            start = end
        return results[0] if len(results) == 1 else torch.cat(results)
