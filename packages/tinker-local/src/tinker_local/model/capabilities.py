"""The capabilities of an architecture, found out by computing and not from a list of names.

`probe` runs a few tokens of every kind of forward pass and compares them with plain transformers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tinker_local.errors import RequestError
from tinker_local.model.attention import (
    RAGGED,
    AttentionInputs,
    NotRaggedError,
    UncachedAttention,
)
from tinker_local.model.base import BaseModel
from tinker_local.model.kv_cache import KVCache
from tinker_local.model.kv_pool import CacheShape, Chunk
from tinker_local.model.target_modules import use_lora_experts

_LENGTHS = (7, 4, 7)
_UNSUPPORTED = (
    NotRaggedError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    RuntimeError,
    IndexError,
)
"""The errors of architectures that cannot run a ragged row."""


@torch.no_grad()
def probe(base: BaseModel) -> None:
    """Set `ragged` and `cache_shape` where they give the numbers of plain transformers.

    RequestError when the logits do not follow from the last hidden states alone.
    """
    generator = torch.Generator().manual_seed(0)
    first, second = (
        torch.randint(base.vocab_size, (n,), generator=generator).to(base.device)
        for n in _LENGTHS[:2]
    )
    sequences = [first, second, first]  # the third must equal the first
    try:
        logits, hidden = _plain_forward(base, first)
        beginning = _plain_forward(base, first[:-2])[1]
    except _UNSUPPORTED as error:
        raise RequestError(f"{base.name}: cannot compute {base.architecture}: {error}") from error
    if not _alike(beginning, hidden[:-2], base.dtype):
        raise RequestError(f"{base.name}: {base.architecture} is not a causal model")
    if not _alike(base.logits(hidden), logits, base.dtype):
        raise RequestError(f"{base.name}: its logits are not a function of its last hidden states")
    expected = torch.cat([hidden, _plain_forward(base, second)[1], hidden])
    use_lora_experts(base.network)
    if not _alike(_plain_forward(base, first)[1], hidden, base.dtype):
        raise RequestError(f"{base.name}: its experts cannot be computed one by one")
    config = base.network.config.get_text_config()
    if _attends_in_chunks(config) or _rotates_by_length(config):
        return
    plain = base.network.config._attn_implementation
    base.network.set_attn_implementation(RAGGED)
    shape = _ragged_cache_shape(base, sequences, expected)
    if shape and shape.layers and _kv_cache_works(base, shape, sequences, expected):
        base.ragged, base.cache_shape = True, shape
    else:  # the fallback cache of the sampler needs plain attention
        base.network.set_attn_implementation(plain)


def _plain_forward(base: BaseModel, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (T, vocabulary), float32, and last hidden states (T, width) of plain transformers."""
    seen: list[Tensor] = []
    hook = base.network.get_decoder().register_forward_hook(
        lambda _module, _given, output: seen.append(output.last_hidden_state[0])
    )
    logits = base.network(input_ids=tokens[None], use_cache=False).logits[0].float()
    hook.remove()
    (hidden,) = seen
    return logits, hidden


def _attends_in_chunks(config: Any) -> bool:
    # Attention that restarts every so many tokens shows only in its mask and in long sequences.
    return getattr(config, "attention_chunk_size", None) is not None


def _rotates_by_length(config: Any) -> bool:
    # The rotary frequencies of all sequences in a pass depend on the longest one.
    parameters = getattr(config, "rope_parameters", None) or {}
    by_layer = [p for p in parameters.values() if isinstance(p, dict)]
    return any(p.get("rope_type") in ("dynamic", "longrope") for p in (parameters, *by_layer))


def _alike(one: Tensor, other: Tensor, dtype: torch.dtype) -> bool:
    tolerance = 1e-3 if dtype == torch.float32 else 0.1
    one, other = one.float(), other.float()
    return bool((one - other).abs().max() <= tolerance * other.abs().max())


class _ShapeRecorder:
    """Attention that records the shapes of keys and values in every layer."""

    def __init__(self) -> None:
        self._attention = UncachedAttention(_LENGTHS)
        self.shapes: dict[int, set[tuple[int, ...]]] = {}

    def __call__(self, inputs: AttentionInputs) -> Tensor:
        shapes = {tuple(x.shape[1:]) for x in (inputs.key, inputs.value)}
        self.shapes.setdefault(inputs.layer, set()).update(shapes)
        return self._attention(inputs)


def _ragged_cache_shape(
    base: BaseModel, sequences: list[Tensor], expected: Tensor
) -> CacheShape | None:
    """None when a ragged row gives other numbers; zero layers when their shapes differ."""
    recorder = _ShapeRecorder()
    try:
        positions = torch.cat([torch.arange(n) for n in _LENGTHS])
        hidden = base.forward_row(torch.cat(sequences), positions, recorder)
    except _UNSUPPORTED:
        return None
    if not recorder.shapes or not _alike(hidden, expected, base.dtype):
        return None
    distinct = set().union(*recorder.shapes.values())
    layers = sorted(recorder.shapes)
    if len(distinct) > 1 or layers != list(range(len(layers))):
        return CacheShape(layers=0, heads=0, width=0)
    heads, width = distinct.pop()
    return CacheShape(layers=len(layers), heads=heads, width=width)


def _kv_cache_works(
    base: BaseModel, shape: CacheShape, sequences: list[Tensor], expected: Tensor
) -> bool:
    """Compare prompts in two chunks, and then a single token, through the KV cache."""
    cache = KVCache(base, shape)
    slots = [cache.allocate(len(s)) for s in sequences]
    ends = [[2, len(s) - 1, len(s)] for s in sequences]
    rows: list[list[Tensor]] = [[] for _ in sequences]
    for step in range(3):
        chunks = [Chunk(s, e[step] - s.filled) for s, e in zip(slots, ends, strict=True)]
        tokens = [t[c.slot.filled :][: c.count] for t, c in zip(sequences, chunks, strict=True)]
        try:
            hidden = cache.forward(torch.cat(tokens), chunks, ())
        except _UNSUPPORTED:
            return False
        for kept, part in zip(rows, torch.split(hidden, [c.count for c in chunks]), strict=True):
            kept.append(part)
    return _alike(torch.cat([torch.cat(kept) for kept in rows]), expected, base.dtype)
