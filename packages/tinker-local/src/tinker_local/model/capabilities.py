"""What an architecture can do, found out by computing and not by a list of names."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tinker_local.errors import RequestError
from tinker_local.model.attention import RAGGED, Attend, NotRaggedError, WholeSequences
from tinker_local.model.base import BaseModel
from tinker_local.model.kv_cache import Cache, CacheShape, Stretch

_LENGTHS = (7, 4, 7)
_REFUSALS = (
    NotRaggedError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    RuntimeError,
    IndexError,
)
"""What architectures raise that do not take part: any of them means no."""


class _Shapes:
    """Attends to whole sequences and notes the shape of keys and values in every layer."""

    def __init__(self, attend: Attend) -> None:
        self._attend = attend
        self.seen: dict[int, set[tuple[int, ...]]] = {}

    def __call__(
        self,
        layer: int,
        qkv: tuple[Tensor, Tensor, Tensor],
        scale: float | None,
        window: int | None,
    ) -> Tensor:
        self.seen.setdefault(layer, set()).update(tuple(x.shape[1:]) for x in qkv[1:])
        return self._attend(layer, qkv, scale, window)


@torch.no_grad()
def probe(base: BaseModel) -> None:
    """Set `ragged` and `cache_shape` to what gives the same numbers as the plain model.

    RequestError when logits cannot be computed from the last hidden states alone.
    """
    generator = torch.Generator().manual_seed(0)
    one, other = (
        torch.randint(base.vocab_size, (n,), generator=generator).to(base.device)
        for n in _LENGTHS[:2]
    )
    sequences = [one, other, one]  # the third has to come out as the first
    logits, hidden = _plainly(base, one)
    if not _alike(base.logits(hidden), logits, base.dtype):
        raise RequestError(f"{base.name}: its logits are not a function of its last hidden states")
    expected = torch.cat(
        [hidden, base.decode(other[None], use_cache=False).last_hidden_state[0], hidden]
    )
    if _sees_chunks(base.network.config.get_text_config()):
        return
    plain = base.network.config._attn_implementation
    base.network.set_attn_implementation(RAGGED)
    shape = _ragged_shape(base, sequences, expected)
    if shape is None:
        base.network.set_attn_implementation(plain)
        return
    base.ragged = True
    if _caches(base, shape, sequences, expected):
        base.cache_shape = shape


def _plainly(base: BaseModel, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (T, vocabulary), float32, and last hidden states (T, width), of the plain model."""
    seen: list[Tensor] = []
    hook = base.network.get_decoder().register_forward_hook(
        lambda _module, _given, output: seen.append(output.last_hidden_state[0])
    )
    logits = base.network(input_ids=tokens[None], use_cache=False).logits[0].float()
    hook.remove()
    (hidden,) = seen
    return logits, hidden


def _sees_chunks(config: Any) -> bool:
    # Attention that restarts every so many tokens shows only in its mask, and only in long
    # sequences.
    return getattr(config, "attention_chunk_size", None) is not None


def _alike(one: Tensor, other: Tensor, dtype: torch.dtype) -> bool:
    tolerance = 1e-3 if dtype == torch.float32 else 0.1
    one, other = one.float(), other.float()
    return bool((one - other).abs().max() <= tolerance * other.abs().max())


def _ragged_shape(base: BaseModel, sequences: list[Tensor], expected: Tensor) -> CacheShape | None:
    """None when one row does not give the same; no layers when they differ in shape."""
    shapes = _Shapes(WholeSequences(_LENGTHS))
    try:
        positions = torch.cat([torch.arange(n) for n in _LENGTHS])
        hidden = base.one_row(torch.cat(sequences), positions, shapes)
    except _REFUSALS:
        return None
    if not shapes.seen or not _alike(hidden, expected, base.dtype):
        return None
    distinct = set().union(*shapes.seen.values())
    layers = sorted(shapes.seen)
    if len(distinct) > 1 or layers != list(range(len(layers))):
        return CacheShape(layers=0, heads=0, width=0)
    heads, width = distinct.pop()
    return CacheShape(layers=len(layers), heads=heads, width=width)


def _caches(base: BaseModel, shape: CacheShape, sequences: list[Tensor], expected: Tensor) -> bool:
    """Whether prompts in two pieces and then a single token give the same through our cache."""
    if shape.layers == 0:
        return False
    cache = Cache(shape, base.dtype, base.device)
    slots = [cache.open(len(s)) for s in sequences]
    ends = [[2, len(s) - 1, len(s)] for s in sequences]
    rows: list[list[Tensor]] = [[] for _ in sequences]
    for step in range(3):
        stretches = [Stretch(s, e[step] - s.filled) for s, e in zip(slots, ends, strict=True)]
        tokens = [t[s.slot.filled :][: s.count] for t, s in zip(sequences, stretches, strict=True)]
        try:
            hidden = base.extend(torch.cat(tokens), stretches, ())
        except _REFUSALS:
            return False
        for kept, piece in zip(
            rows, torch.split(hidden, [s.count for s in stretches]), strict=True
        ):
            kept.append(piece)
    return _alike(torch.cat([torch.cat(kept) for kept in rows]), expected, base.dtype)
