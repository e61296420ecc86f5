"""Sampling for architectures that do not take part in ragged attention: one sequence at a time.

Keys, values and whatever other state lie in transformers' own cache, one for each sequence.
Nothing is shared between sequences.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from attrs import define
from torch import Tensor

from tinker_local.model.base import BaseModel
from tinker_local.model.kv_cache import Stretch
from tinker_local.model.lora import Segment, adapting


@define(eq=False)
class PlainSlot:
    """One sequence's state after its first `filled` tokens."""

    filled: int = 0
    state: Any = None


class PlainCache:
    """Opens and closes slots as `kvcache.Cache` does, without counting what they take."""

    bytes_per_token = 1
    tokens = 0

    def __init__(self, base: BaseModel) -> None:
        self._base = base
        decoder = type(base.network.get_decoder())
        recurrent = "cache_params" in inspect.signature(decoder.forward).parameters
        self._state_name = "cache_params" if recurrent else "past_key_values"

    def open(self, tokens: int) -> PlainSlot:
        """A sequence without tokens; its state grows by itself."""
        return PlainSlot()

    def close(self, slot: PlainSlot) -> None:
        """Drop the state."""
        slot.state = None

    def enlarge(self, slot: PlainSlot, tokens: int) -> PlainSlot:
        """The same slot."""
        return slot

    def growth(self, slot: PlainSlot | None, tokens: int) -> int:
        """Not counted."""
        return 0

    def extend(
        self, tokens: Tensor, stretches: Sequence[Stretch], segments: Sequence[Segment]
    ) -> Tensor:
        """As `BaseModel.extend`, sequence by sequence."""
        rows = []
        start = 0
        for piece, stretch in zip(
            torch.split(tokens, [s.count for s in stretches]), stretches, strict=True
        ):
            end = start + stretch.count
            mine = [
                Segment(start=0, end=stretch.count, weights=s.weights)
                for s in segments
                if s.start <= start < s.end
            ]
            with adapting(mine):
                rows.append(self._extend_one(piece.to(self._base.device), stretch.slot))
            start = end
        return torch.cat(rows)

    def _extend_one(self, tokens: Tensor, slot: Any) -> Tensor:
        options = {} if slot.state is None else {self._state_name: slot.state}
        output = self._base.decode(tokens[None], use_cache=True, **options)
        slot.state = getattr(output, self._state_name)
        slot.filled += len(tokens)
        hidden: Tensor = output.last_hidden_state[0]
        return hidden
