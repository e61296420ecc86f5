"""The memory of the KV cache: slots of equal capacity in one tensor."""

from __future__ import annotations

from attrs import define, field, frozen
from torch import Tensor


@frozen(kw_only=True)
class CacheShape:
    """The shape of one token's keys; its values have the same shape."""

    layers: int
    heads: int
    width: int


@define(eq=False)
class Slot:
    """The place of one sequence in a pool; its first `filled` tokens are cached."""

    pool: Pool
    index: int
    filled: int = 0


@frozen(eq=False)
class Chunk:
    """The next `count` tokens of the sequence in `slot`, after the `slot.filled` cached ones."""

    slot: Slot
    count: int


@define(eq=False)
class Pool:
    """Slots of one capacity. The used ones are always the first `len(slots)` of `data`."""

    capacity: int
    data: Tensor = field(repr=False)
    """Shape (layers, 2 for keys and values, slots, heads, capacity, width)."""
    slots: list[Slot] = field(factory=list)

    def allocate(self) -> Slot:
        """A slot of zeros: attention also reads masked positions, whose values must be finite."""
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

    def free(self, slot: Slot) -> None:
        """Remove the slot. The last slot moves into its place."""
        last = self.slots.pop()
        if last is not slot:
            copy_tokens(last, slot, last.filled)
            self.slots[slot.index] = last
            last.index = slot.index


def copy_tokens(source: Slot, target: Slot, tokens: int) -> None:
    """Copy the keys and values of the first tokens of one slot to another."""
    kept = source.pool.data[:, :, source.index, :, :tokens]
    target.pool.data[:, :, target.index, :, :tokens] = kept
