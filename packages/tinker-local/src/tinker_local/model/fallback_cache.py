"""The cache of architectures that cannot use the KV cache: one sequence at a time.

Keys, values and any other state lie in transformers' own cache, one for each sequence. Prompts are
computed whole, and nothing is shared between sequences.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from attrs import define
from torch import Tensor

from tinker_local.model.base import BaseModel
from tinker_local.model.kv_pool import Chunk
from tinker_local.model.lora_layer import Segment, use_adapters


@define(eq=False)
class FallbackSlot:
    """One sequence's state after its first `filled` tokens."""

    filled: int = 0
    state: Any = None


class FallbackCache:
    """The interface of `KVCache`. It does not count the memory that the states take."""

    chunked_prefill = False
    shares_prefixes = False
    bytes_per_token = 1
    tokens = 0

    def __init__(self, base: BaseModel) -> None:
        self._base = base
        decoder = type(base.network.get_decoder())
        recurrent = "cache_params" in inspect.signature(decoder.forward).parameters
        self._state_name = "cache_params" if recurrent else "past_key_values"

    def allocate(self, tokens: int) -> FallbackSlot:
        """A sequence without tokens. Its state grows by itself."""
        return FallbackSlot()

    def free(self, slot: FallbackSlot) -> None:
        """Drop the state."""
        slot.state = None

    def grow(self, slot: FallbackSlot, tokens: int) -> FallbackSlot:
        """The same slot."""
        return slot

    def missing(self, slot: FallbackSlot | None, tokens: int) -> int:
        """Always 0: the memory of states is not counted."""
        return 0

    def forward(
        self, tokens: Tensor, chunks: Sequence[Chunk], segments: Sequence[Segment]
    ) -> Tensor:
        """Final hidden states (T, width) of new tokens (T,), computed sequence by sequence."""
        rows = []
        start = 0
        for chunk, chunk_tokens in zip(
            chunks, torch.split(tokens, [c.count for c in chunks]), strict=True
        ):
            adapters = [s.adapter for s in segments if s.start <= start < (s.end or len(tokens))]
            with use_adapters([Segment(adapter=adapter) for adapter in adapters]):
                rows.append(self._forward_one(chunk_tokens.to(self._base.device), chunk.slot))
            start += chunk.count
        return torch.cat(rows)

    def _forward_one(self, tokens: Tensor, slot: Any) -> Tensor:
        options = {} if slot.state is None else {self._state_name: slot.state}
        output = self._base.run_decoder(tokens, use_cache=True, **options)
        slot.state = getattr(output, self._state_name)
        slot.filled += len(tokens)
        hidden: Tensor = output.last_hidden_state[0]
        return hidden
