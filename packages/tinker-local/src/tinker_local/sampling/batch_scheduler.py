"""Which sequences run in the next step, and whose keys and values a new one takes over."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import numpy as np
from attrs import define, frozen
from numpy.typing import NDArray

from tinker_local.model.fallback_cache import PlainCache
from tinker_local.model.kv_cache import Cache, Stretch
from tinker_local.sampling.sequence import Continuation, Ticket

PREFILL_TOKENS = 512
"""Prompt tokens of one step: few, so that open sequences need not wait for their next token."""
MAX_OPEN = 256
"""Sequences that run at once; more would not make a step more efficient."""
_SIGNATURE = 8
"""Prompts that share less than this many first tokens are not compared."""
_WORTH_WAITING = 16
"""Tokens that another sequence must be about to compute, for a new one to wait for them."""


@frozen(eq=False)
class Work:
    """What a step does for one sequence: its next tokens, in rows from `start` on."""

    sequence: Continuation
    stretch: Stretch
    start: int


@define(eq=False)
class Schedule:
    """The queue, the open sequences and their room in the cache."""

    cache: Cache | PlainCache
    room: int
    """Tokens that the cache should not exceed."""
    waiting: deque[Continuation]
    open: list[Continuation]

    @classmethod
    def over(cls, cache: Cache | PlainCache, cache_bytes: int) -> Schedule:
        """Empty."""
        return cls(cache, cache_bytes // cache.bytes_per_token, deque(), [])

    def cancel(self, ticket: Ticket) -> None:
        """Drop all samples of a request."""
        self.waiting = deque(c for c in self.waiting if c.ticket is not ticket)
        for sequence in [c for c in self.open if c.ticket is ticket]:
            self.close(sequence)

    def close(self, sequence: Continuation) -> None:
        """A sequence that has ended."""
        self.open.remove(sequence)
        self.cache.close(sequence.slot)
        sequence.slot = None

    def plan(self) -> list[Work]:
        """The next step's work: one adapter after another, within it as they lie in the cache."""
        self._admit()
        counts = self._counts()
        self._make_room(counts)
        ranks: dict[int, int] = {}
        for sequence in self.open:
            ranks.setdefault(id(sequence.ticket.adapter), len(ranks))
        chosen = [c for c in self.open if counts.get(c)]
        for sequence in chosen:
            sequence.slot = self.cache.enlarge(
                sequence.slot, sequence.slot.filled + counts[sequence]
            )
        chosen.sort(key=lambda c: (ranks[id(c.ticket.adapter)], *_place(c)))
        work = []
        start = 0
        for sequence in chosen:
            work.append(Work(sequence, Stretch(sequence.slot, counts[sequence]), start))
            start += counts[sequence]
        return work

    def _counts(self) -> dict[Continuation, int]:
        """How many tokens of each open sequence are computed: one, or what fits of a prompt."""
        left = PREFILL_TOKENS
        counts = {}
        for sequence in self.open:
            count = sequence.pending
            if count > 1 and isinstance(self.cache, Cache):
                count = min(count, left)
                left -= count
            counts[sequence] = count
        return counts

    def _make_room(self, counts: dict[Continuation, int]) -> None:
        """Send the youngest back to the queue while the others would not fit; they start over."""
        while len(self.open) > 1:
            growth = sum(self.cache.growth(c.slot, c.slot.filled + counts[c]) for c in self.open)
            if self.cache.tokens + growth <= self.room:
                return
            youngest = self.open[-1]
            self.close(youngest)
            self.waiting.appendleft(youngest)

    def _admit(self) -> None:
        kept: deque[Continuation] = deque()
        while self.waiting and len(self.open) < MAX_OPEN:
            sequence = self.waiting.popleft()
            donor, shared, coming = self._donor(sequence)
            if coming - shared >= _WORTH_WAITING:
                kept.append(sequence)
                continue
            wanted = self.cache.growth(None, _expected(sequence))
            if self.open and self.cache.tokens + wanted > self.room:
                kept.append(sequence)
                break
            self._start(sequence, donor, shared)
        self.waiting.extendleft(reversed(kept))

    def _start(self, sequence: Continuation, donor: Continuation | None, shared: int) -> None:
        sequence.slot = self.cache.open(_expected(sequence))
        if donor is not None and isinstance(self.cache, Cache):
            self.cache.share(donor.slot, sequence.slot, shared)
            if sequence.reports:
                sequence.ticket.cached_tokens = shared
        self.open.append(sequence)

    def _donor(self, sequence: Continuation) -> tuple[Continuation | None, int, int]:
        """The open sequence with most tokens of use, how many it has, and how many one will have.

        The last prompt token is always computed, for its logits; and all whose logits are asked
        for.
        """
        report = sequence.ticket.report
        usable = report.first_row if sequence.reports else sequence.prompt_length - 1
        if usable < 1 or not isinstance(self.cache, Cache):
            return None, 0, 0
        best: Continuation | None = None
        longest = coming = 0
        for other in self._alike(sequence):
            same = min(usable, _common(sequence.ticket.request.prompt, other.ticket.request.prompt))
            coming = max(coming, same)
            if min(same, other.slot.filled) > longest:
                best, longest = other, min(same, other.slot.filled)
            if longest == usable:
                break
        return best, longest, coming

    def _alike(self, sequence: Continuation) -> Iterable[Continuation]:
        adapter = sequence.ticket.adapter
        start = sequence.tokens[:_SIGNATURE]
        return (
            c for c in self.open if c.ticket.adapter is adapter and c.tokens[:_SIGNATURE] == start
        )


def _expected(sequence: Continuation) -> int:
    """Tokens to make room for at first: all, or twice what is there when that is less."""
    return min(sequence.limit, max(128, 2 * len(sequence.tokens)))


def _place(sequence: Continuation) -> tuple[int, int]:
    slot = sequence.slot
    return (slot.pool.capacity, slot.index) if hasattr(slot, "pool") else (0, 0)


def _common(one: NDArray[np.int64], other: NDArray[np.int64]) -> int:
    if one is other:
        return len(one)
    length = min(len(one), len(other))
    differing = np.flatnonzero(one[:length] != other[:length])
    return int(differing[0]) if len(differing) else length
