"""Keys and values of the open sequences, and attention of new tokens to them.

Sequences lie in pools by capacity (64, 128, 256 ... tokens) and move to the next pool when they
outgrow theirs, so that one decode step is one batched attention per pool with less than half of it
unused.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from attrs import define, field, frozen
from torch import Tensor

from tinker_local.model.attention import attend_causally

_SMALLEST = 64

QKV = tuple[Tensor, Tensor, Tensor]


@frozen(kw_only=True)
class CacheShape:
    """What the keys (and, in the same shape, the values) of one token take."""

    layers: int
    heads: int
    width: int


@define(eq=False)
class Slot:
    """Where one sequence's keys and values are; the first `filled` places hold them."""

    pool: Pool
    index: int
    filled: int = 0


@define(eq=False)
class Pool:
    """Slots of one capacity, always the first `len(slots)` of `data`."""

    capacity: int
    data: Tensor = field(repr=False)
    """(layers, keys and values = 2, slots, heads, capacity, width)"""
    slots: list[Slot] = field(factory=list)

    def take(self) -> Slot:
        """A slot full of zeros: places that are masked must still hold finite numbers."""
        if len(self.slots) == self.data.shape[2]:
            grown = self.data.new_empty(
                *self.data.shape[:2], 2 * len(self.slots), *self.data.shape[3:]
            )
            grown[:, :, : len(self.slots)] = self.data
            self.data = grown
        slot = Slot(self, len(self.slots))
        self.slots.append(slot)
        self.data[:, :, slot.index].zero_()
        return slot

    def give_back(self, slot: Slot) -> None:
        """The last slot moves into the hole."""
        last = self.slots.pop()
        if last is not slot:
            copy_tokens(last, slot, last.filled)
            self.slots[slot.index] = last
            last.index = slot.index


def copy_tokens(source: Slot, target: Slot, tokens: int) -> None:
    """Copy the first places of one slot to another."""
    kept = source.pool.data[:, :, source.index, :, :tokens]
    target.pool.data[:, :, target.index, :, :tokens] = kept


class Cache:
    """All pools of one model."""

    def __init__(self, shape: CacheShape, dtype: torch.dtype, device: torch.device) -> None:
        self._shape = shape
        self._dtype = dtype
        self._device = device
        self._pools: dict[int, Pool] = {}
        self.tokens = 0
        """Places taken, used or not."""
        self.bytes_per_token = 2 * shape.layers * shape.heads * shape.width * dtype.itemsize

    def open(self, tokens: int) -> Slot:
        """A slot for at least this many tokens."""
        capacity = _capacity(tokens)
        self.tokens += capacity
        return self._pool(capacity).take()

    def close(self, slot: Slot) -> None:
        """Give the slot back; an empty pool gives its memory back."""
        pool = slot.pool
        pool.give_back(slot)
        self.tokens -= pool.capacity
        if not pool.slots:
            self._pools.pop(pool.capacity, None)

    def enlarge(self, slot: Slot, tokens: int) -> Slot:
        """The same slot, or a larger one with the same content, for at least this many tokens."""
        if tokens <= slot.pool.capacity:
            return slot
        larger = self.open(tokens)
        larger.filled = slot.filled
        copy_tokens(slot, larger, slot.filled)
        self.close(slot)
        return larger

    def share(self, source: Slot, target: Slot, tokens: int) -> None:
        """The target starts with the first tokens of the source."""
        copy_tokens(source, target, tokens)
        target.filled = tokens

    def growth(self, slot: Slot | None, tokens: int) -> int:
        """How many more places a slot for so many tokens takes."""
        held = 0 if slot is None else slot.pool.capacity
        return max(0, _capacity(tokens) - held)

    def _pool(self, capacity: int) -> Pool:
        if capacity not in self._pools:
            s = self._shape
            data = torch.empty(
                (s.layers, 2, 4, s.heads, capacity, s.width), dtype=self._dtype, device=self._device
            )
            self._pools[capacity] = Pool(capacity, data)
        return self._pools[capacity]


def _capacity(tokens: int) -> int:
    return max(_SMALLEST, 1 << (tokens - 1).bit_length())


@frozen(eq=False)
class Stretch:
    """The next `count` tokens of the sequence in `slot`, after the `slot.filled` that are there."""

    slot: Slot
    count: int


@frozen(eq=False)
class _Decoding:
    """The single new tokens of one pool."""

    pool: Pool
    rows: Tensor
    """Which rows of the pass they are, (n,)."""
    slots: Tensor
    """(n,)"""
    places: Tensor
    """Their own position, (n,)."""
    in_order: bool
    """They are all rows of the pass, one for each slot of the pool, in the slots' order."""
    longest: int
    masks: dict[int | None, Tensor] = field(factory=dict)


class CachedAttention:
    """Attention of one pass: each stretch attends to its own sequence and is added to the cache."""

    def __init__(self, stretches: Sequence[Stretch], device: torch.device) -> None:
        self._total = sum(stretch.count for stretch in stretches)
        self._long: list[tuple[int, Stretch]] = []
        singles: dict[int, list[tuple[int, Slot]]] = {}
        row = 0
        for stretch in stretches:
            if stretch.count == 1:
                singles.setdefault(stretch.slot.pool.capacity, []).append((row, stretch.slot))
            else:
                self._long.append((row, stretch))
            row += stretch.count
        self._decoding = [self._plan(rows, device) for rows in singles.values()]

    def _plan(self, rows: list[tuple[int, Slot]], device: torch.device) -> _Decoding:
        pool = rows[0][1].pool
        slots = [slot.index for _, slot in rows]
        places = [slot.filled for _, slot in rows]
        return _Decoding(
            pool,
            torch.tensor([row for row, _ in rows], device=device),
            torch.tensor(slots, device=device),
            torch.tensor(places, device=device),
            len(rows) == self._total and slots == list(range(len(pool.slots))),
            max(places) + 1,
        )

    def __call__(self, layer: int, qkv: QKV, scale: float | None, window: int | None) -> Tensor:
        """One layer's attention; see `Attend`."""
        if len(self._decoding) == 1 and self._decoding[0].in_order:
            return _decode(self._decoding[0], layer, qkv, scale, window)
        result = torch.empty_like(qkv[0])
        for group in self._decoding:
            rows = (qkv[0][group.rows], qkv[1][group.rows], qkv[2][group.rows])
            result[group.rows] = _decode(group, layer, rows, scale, window)
        for start, stretch in self._long:
            end = start + stretch.count
            rows = (qkv[0][start:end], qkv[1][start:end], qkv[2][start:end])
            result[start:end] = _extend(stretch, layer, rows, scale, window)
        return result


def _decode(
    group: _Decoding, layer: int, qkv: QKV, scale: float | None, window: int | None
) -> Tensor:
    """One new token for some slots of a pool, queries (n, H, D).

    All slots are computed, because a gathered copy of the cache would cost more than idle slots.
    The query heads that share a key head stand where several queries would.
    """
    query, key, value = qkv
    keys, values = group.pool.data[layer]
    keys[group.slots, :, group.places] = key
    values[group.slots, :, group.places] = value
    used = len(group.pool.slots)
    heads = query.shape[1]
    shared = query.reshape(len(query), key.shape[1], -1, query.shape[2])
    if not group.in_order:
        shared = shared.new_zeros(used, *shared.shape[1:]).index_copy_(0, group.slots, shared)
    result = F.scaled_dot_product_attention(
        shared,
        keys[:used, :, : group.longest],
        values[:used, :, : group.longest],
        attn_mask=_mask(group, used, window),
        scale=scale,
    )
    if not group.in_order:
        result = result[group.slots]
    return result.reshape(len(query), heads, -1)


def _mask(group: _Decoding, used: int, window: int | None) -> Tensor:
    """What each slot may look at, (slots, 1, 1, longest); the same for all layers."""
    if window not in group.masks:
        ends = torch.zeros(used, dtype=torch.long, device=group.places.device)
        ends[group.slots] = group.places
        at = torch.arange(group.longest, device=ends.device)
        mask = at <= ends[:, None]
        if window is not None:
            mask &= at > ends[:, None] - window
        group.masks[window] = mask[:, None, None]
    return group.masks[window]


def _extend(
    stretch: Stretch, layer: int, qkv: QKV, scale: float | None, window: int | None
) -> Tensor:
    """Several new tokens of one sequence, queries (n, H, D)."""
    slot = stretch.slot
    end = slot.filled + stretch.count
    keys, values = slot.pool.data[layer, :, slot.index, :, :end]
    keys[:, slot.filled :] = qkv[1].transpose(0, 1)
    values[:, slot.filled :] = qkv[2].transpose(0, 1)
    query = qkv[0].transpose(0, 1)
    result = attend_causally((query[None], keys[None], values[None]), scale, window)
    return result[0].transpose(0, 1)
