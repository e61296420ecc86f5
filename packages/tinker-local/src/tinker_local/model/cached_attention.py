"""Attention of new tokens to the sequences in the KV cache: batched decode, chunked prefill."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from attrs import field, frozen
from torch import Tensor

from tinker_local.model.attention import AttentionInputs, causal_attention
from tinker_local.model.kv_pool import Chunk, Pool, Slot


@frozen(eq=False)
class _DecodeBatch:
    """The sequences of one pool that have a single new token, n of them."""

    pool: Pool
    rows: Tensor
    """Their rows in the forward pass, (n,)."""
    slots: Tensor
    """Their slots in the pool, (n,)."""
    positions: Tensor
    """The position of the new token in its sequence, (n,)."""
    in_order: bool
    """The rows are all rows of the pass, one for each slot of the pool, in the order of slots."""
    longest: int
    """The length of the longest sequence, with the new token."""
    masks: dict[int | None, Tensor] = field(factory=dict)
    """By sliding window; the mask is the same in all layers of one window."""


class CachedAttention:
    """The attention of one forward pass. It adds the keys and values of new tokens to the cache."""

    def __init__(self, chunks: Sequence[Chunk], device: torch.device) -> None:
        self._total = sum(chunk.count for chunk in chunks)
        self._prefill: list[tuple[int, Chunk]] = []
        decode: dict[int, list[tuple[int, Slot]]] = {}
        row = 0
        for chunk in chunks:
            if chunk.count == 1:
                decode.setdefault(chunk.slot.pool.capacity, []).append((row, chunk.slot))
            else:
                self._prefill.append((row, chunk))
            row += chunk.count
        self._decode = [self._batch(rows, device) for rows in decode.values()]

    def _batch(self, rows: list[tuple[int, Slot]], device: torch.device) -> _DecodeBatch:
        pool = rows[0][1].pool
        slots = [slot.index for _, slot in rows]
        positions = [slot.filled for _, slot in rows]
        return _DecodeBatch(
            pool,
            torch.tensor([row for row, _ in rows], device=device),
            torch.tensor(slots, device=device),
            torch.tensor(positions, device=device),
            len(rows) == self._total and slots == list(range(len(pool.slots))),
            max(positions) + 1,
        )

    def __call__(self, inputs: AttentionInputs) -> Tensor:
        """One layer's attention; see `Attention`."""
        if len(self._decode) == 1 and self._decode[0].in_order:
            return _attend_decode(self._decode[0], inputs)
        result = torch.empty_like(inputs.query)
        for batch in self._decode:
            result[batch.rows] = _attend_decode(batch, inputs.rows(batch.rows))
        for start, chunk in self._prefill:
            rows = slice(start, start + chunk.count)
            result[rows] = _attend_prefill(chunk, inputs.rows(rows))
        return result


def _attend_decode(batch: _DecodeBatch, inputs: AttentionInputs) -> Tensor:
    """One new token for some slots of a pool, shape (n, H, D).

    All slots of the pool are computed, because gathering some of them would cost a copy of the
    cache. The query heads that share a key head take the place of several queries.
    """
    keys, values = batch.pool.data[inputs.layer]
    keys[batch.slots, :, batch.positions] = inputs.key
    values[batch.slots, :, batch.positions] = inputs.value
    used = len(batch.pool.slots)
    count, heads, width = inputs.query.shape
    query = inputs.query.reshape(count, inputs.key.shape[1], -1, width)
    if not batch.in_order:
        query = query.new_zeros(used, *query.shape[1:]).index_copy_(0, batch.slots, query)
    result = F.scaled_dot_product_attention(
        query,
        keys[:used, :, : batch.longest],
        values[:used, :, : batch.longest],
        attn_mask=_decode_mask(batch, used, inputs.window),
        scale=inputs.scale,
    )
    if not batch.in_order:
        result = result[batch.slots]
    return result.reshape(count, heads, -1)


def _decode_mask(batch: _DecodeBatch, used: int, window: int | None) -> Tensor:
    """The positions that each slot may attend to, shape (slots, 1, 1, longest)."""
    if window not in batch.masks:
        last = torch.zeros(used, dtype=torch.long, device=batch.positions.device)
        last[batch.slots] = batch.positions
        positions = torch.arange(batch.longest, device=last.device)
        mask = positions <= last[:, None]
        if window is not None:
            mask &= positions > last[:, None] - window
        batch.masks[window] = mask[:, None, None]
    return batch.masks[window]


def _attend_prefill(chunk: Chunk, inputs: AttentionInputs) -> Tensor:
    """Several new tokens of one sequence, shape (n, H, D)."""
    slot = chunk.slot
    end = slot.filled + chunk.count
    keys, values = slot.pool.data[inputs.layer, :, slot.index, :, :end]
    keys[:, slot.filled :] = inputs.key.transpose(0, 1)
    values[:, slot.filled :] = inputs.value.transpose(0, 1)
    query = inputs.query.transpose(0, 1)
    result = causal_attention(query[None], keys[None], values[None], inputs.scale, inputs.window)
    return result[0].transpose(0, 1)
