"""The KV cache: keys and values of the running sequences, so that no token is computed twice.

Sequences lie in pools by capacity (64, 128, 256 ... tokens) and move to the next pool when they
outgrow theirs. A decode step is then one batched attention per pool, of which less than half is
unused. The batch scheduler decides which sequences are admitted, preempted and freed.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tinker_local.model.base import BaseModel
from tinker_local.model.cached_attention import CachedAttention
from tinker_local.model.kv_pool import CacheShape, Chunk, Pool, Slot, copy_tokens
from tinker_local.model.lora_layer import Segment, use_adapters

_SMALLEST = 64


class KVCache:
    """All pools of one base model."""

    chunked_prefill = True
    shares_prefixes = True

    def __init__(self, base: BaseModel, shape: CacheShape) -> None:
        self._base = base
        self._shape = shape
        self._pools: dict[int, Pool] = {}
        self.tokens = 0
        """The capacity of all allocated slots, in tokens."""
        self.bytes_per_token = 2 * shape.layers * shape.heads * shape.width * base.dtype.itemsize

    def allocate(self, tokens: int) -> Slot:
        """A slot for at least this many tokens."""
        capacity = _capacity(tokens)
        self.tokens += capacity
        return self._pool(capacity).allocate()

    def free(self, slot: Slot) -> None:
        """Evict a sequence. A pool without sequences frees its memory."""
        pool = slot.pool
        pool.free(slot)
        self.tokens -= pool.capacity
        if not pool.slots:
            self._pools.pop(pool.capacity, None)

    def grow(self, slot: Slot, tokens: int) -> Slot:
        """The same slot, or a larger one with the same content, for at least this many tokens."""
        if tokens <= slot.pool.capacity:
            return slot
        larger = self.allocate(tokens)
        self.copy_prefix(slot, larger, slot.filled)
        self.free(slot)
        return larger

    def copy_prefix(self, source: Slot, target: Slot, tokens: int) -> None:
        """Start the target with the first tokens of the source."""
        copy_tokens(source, target, tokens)
        target.filled = tokens

    def missing(self, slot: Slot | None, tokens: int) -> int:
        """The tokens that `grow`, or `allocate` when there is no slot, would add."""
        held = 0 if slot is None else slot.pool.capacity
        return max(0, _capacity(tokens) - held)

    def forward(
        self, tokens: Tensor, chunks: Sequence[Chunk], segments: Sequence[Segment]
    ) -> Tensor:
        """Final hidden states (T, width) of new tokens (T,), chunk after chunk; they are cached."""
        positions = [p for c in chunks for p in range(c.slot.filled, c.slot.filled + c.count)]
        attention = CachedAttention(chunks, self._base.device)
        with use_adapters(segments):
            hidden = self._base.forward_row(tokens, torch.tensor(positions), attention)
        for chunk in chunks:
            chunk.slot.filled += chunk.count
        return hidden

    def _pool(self, capacity: int) -> Pool:
        if capacity not in self._pools:
            s = self._shape
            data = torch.empty(
                (s.layers, 2, 4, s.heads, capacity, s.width),
                dtype=self._base.dtype,
                device=self._base.device,
            )
            self._pools[capacity] = Pool(capacity, data)
        return self._pools[capacity]


def _capacity(tokens: int) -> int:
    return max(_SMALLEST, 1 << (tokens - 1).bit_length())
