"""Attention over many sequences that lie one after another in a single row, without padding.

transformers calls `ragged_attention` in every layer of a model whose attention implementation is
`RAGGED`; what it attends to is decided by the `Attend` of the running pass, set with `attending`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any, Protocol

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn
from transformers import AttentionInterface

RAGGED = "tinker_local_ragged"

_NOT_UNDERSTOOD = ("softcap", "s_aux", "position_bias")
"""Arguments that change the result of attention and that we do not implement."""


class NotRaggedError(Exception):
    """This architecture asks for attention that cannot be computed over a ragged row."""


class Attend(Protocol):
    """How the tokens of one pass attend.

    Queries are (T, H, D), keys and values (T, Hkv, D), the result is (T, H, D). `window` is how
    many tokens back a token sees, itself included; None: all of them.
    """

    def __call__(
        self,
        layer: int,
        qkv: tuple[Tensor, Tensor, Tensor],
        scale: float | None,
        window: int | None,
    ) -> Tensor: ...


_running: list[Attend] = []
# A plain list and not a ContextVar: recomputation in backward may run on autograd's own thread.


@contextmanager
def attending(attend: Attend) -> Iterator[None]:
    """Every ragged attention inside the block goes through `attend`."""
    _running.append(attend)
    try:
        yield
    finally:
        _running.pop()


def running() -> Attend | None:
    """What the innermost `attending` block set."""
    return _running[-1] if _running else None


def ragged_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, None]:
    """transformers' attention interface: query (1, H, T, D), result (1, T, H, D)."""
    if attention_mask is not None or options.get("is_causal") is False:
        raise NotRaggedError(f"{type(module).__name__} brings an attention mask of its own")
    if named := [name for name in _NOT_UNDERSTOOD if options.get(name) is not None]:
        raise NotRaggedError(f"{type(module).__name__} needs {named}")
    rows = (query[0].transpose(0, 1), key[0].transpose(0, 1), value[0].transpose(0, 1))
    layer = getattr(module, "layer_idx", None)
    if layer is None or not _running:
        raise NotRaggedError(f"{type(module).__name__} has no layer_idx, or runs outside of a pass")
    result = _running[-1](int(layer), rows, options.get("scaling"), options.get("sliding_window"))
    return result.unsqueeze(0), None


AttentionInterface.register(RAGGED, ragged_attention)


def causal_mask(queries: int, keys: int, window: int | None, device: torch.device) -> Tensor:
    """True where the last `queries` of `keys` tokens may look; shape (queries, keys)."""
    mask = torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)
    return mask if window is None else mask.triu(keys - queries - window + 1)


def attend_causally(
    qkv: tuple[Tensor, Tensor, Tensor], scale: float | None, window: int | None
) -> Tensor:
    """Batched causal attention: queries (B, H, Q, D), keys and values (B, Hkv, K >= Q, D)."""
    query, key, value = qkv
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


class WholeSequences:
    """Attends within sequences of the given lengths, each complete and from its first token."""

    def __init__(self, lengths: Sequence[int]) -> None:
        self._runs = [(length, len(list(same))) for length, same in groupby(lengths)]

    def __call__(
        self,
        layer: int,
        qkv: tuple[Tensor, Tensor, Tensor],
        scale: float | None,
        window: int | None,
    ) -> Tensor:
        """Neighbours of equal length are one batched call."""
        results = []
        start = 0
        for length, count in self._runs:
            end = start + length * count
            query, key, value = (
                x[start:end].view(count, length, *x.shape[1:]).transpose(1, 2) for x in qkv
            )
            result = attend_causally((query, key, value), scale, window)
            results.append(result.transpose(1, 2).reshape(length * count, *result.shape[1::2]))
            start = end
        return results[0] if len(results) == 1 else torch.cat(results)
