"""The batch scheduler: it chooses the tokens of the next forward pass.

A running sequence has uncached tokens: its whole prompt at first, one token from then on. Each
batch takes one token of every decoding sequence and, beside them, prompt tokens up to a budget
(chunked prefill). A new sequence copies the cached prefix that it shares with a running one (prefix
cache). When the cache is full, the newest sequences are preempted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from tinker_local.model.fallback_cache import FallbackCache
from tinker_local.model.kv_cache import KVCache
from tinker_local.model.kv_pool import Chunk
from tinker_local.sampling.sequence import Sequence, SequenceGroup

PREFILL_TOKENS = 512
"""The most prompt tokens of one batch. A larger batch would delay the decoding sequences."""
MAX_RUNNING = 256
"""The most running sequences. A larger batch is not more efficient."""
_MIN_PREFIX = 8
"""Shorter prefixes are not shared."""
_MIN_AWAITED = 16
"""A new sequence waits for a prefix in prefill if that saves it at least so many tokens."""


@frozen(eq=False)
class ScheduledChunk:
    """The next tokens of one sequence, in the rows of the batch from `start` on."""

    sequence: Sequence
    chunk: Chunk
    start: int


@frozen(eq=False)
class _Prefix:
    """The match of a new sequence in the prefix cache."""

    source: Sequence | None = None
    """The running sequence that shares the longest cached prefix."""
    cached: int = 0
    """The length of that prefix."""
    coming: int = 0
    """The length of the longest shared prefix, cached or still in prefill."""


@define(eq=False)
class BatchScheduler:
    """The waiting and the running sequences of one base model, and its cache."""

    cache: Any = field(repr=False)
    """A `KVCache` or a `FallbackCache`."""
    capacity: int
    """Tokens that the cache should not exceed."""
    waiting: deque[Sequence] = field(factory=deque)
    running: list[Sequence] = field(factory=list)
    """In the order of admission."""

    @classmethod
    def with_cache_bytes(cls, cache: KVCache | FallbackCache, cache_bytes: int) -> BatchScheduler:
        """A scheduler without sequences."""
        return cls(cache, cache_bytes // cache.bytes_per_token)

    @property
    def is_idle(self) -> bool:
        """No sequence is waiting or running."""
        return not self.waiting and not self.running

    def cancel(self, group: SequenceGroup) -> None:
        """Drop all sequences of a group."""
        self.waiting = deque(s for s in self.waiting if s.group is not group)
        for sequence in [s for s in self.running if s.group is group]:
            self.finish(sequence)

    def finish(self, sequence: Sequence) -> None:
        """Remove a running sequence and free its slot in the cache."""
        self.running.remove(sequence)
        self.cache.free(sequence.slot)
        sequence.slot = None

    def schedule(self) -> list[ScheduledChunk]:
        """The next batch, ordered by adapter, and by place in the cache where those are equal."""
        self._admit()
        counts = self._chunk_sizes()
        self._preempt(counts)
        scheduled = [s for s in self.running if counts.get(s)]
        for sequence in scheduled:
            sequence.slot = self.cache.grow(sequence.slot, sequence.slot.filled + counts[sequence])
        adapters: dict[int, int] = {}
        for sequence in self.running:
            adapters.setdefault(id(sequence.group.adapter), len(adapters))
        scheduled.sort(key=lambda s: (adapters[id(s.group.adapter)], *_place(s)))
        batch = []
        start = 0
        for sequence in scheduled:
            batch.append(ScheduledChunk(sequence, Chunk(sequence.slot, counts[sequence]), start))
            start += counts[sequence]
        return batch

    def _chunk_sizes(self) -> dict[Sequence, int]:
        """The tokens of each running sequence to compute: one, or a chunk of its prompt."""
        budget = PREFILL_TOKENS
        counts = {}
        for sequence in self.running:
            count = sequence.num_uncached
            if count > 1 and self.cache.chunked_prefill:
                count = min(count, budget)
                budget -= count
            counts[sequence] = count
        return counts

    def _preempt(self, counts: dict[Sequence, int]) -> None:
        """Preempt the newest sequences until the rest fit. Preempted sequences are recomputed."""
        while len(self.running) > 1:
            missing = sum(
                self.cache.missing(s.slot, s.slot.filled + counts[s]) for s in self.running
            )
            if self.cache.tokens + missing <= self.capacity:
                return
            newest = self.running[-1]
            self.finish(newest)
            self.waiting.appendleft(newest)

    def _admit(self) -> None:
        """Start waiting sequences while there is room, except those that await a prefix."""
        kept: deque[Sequence] = deque()
        while self.waiting and len(self.running) < MAX_RUNNING:
            sequence = self.waiting.popleft()
            prefix = self._find_prefix(sequence)
            if prefix.coming - prefix.cached >= _MIN_AWAITED:
                kept.append(sequence)
                continue
            needed = self.cache.missing(None, _initial_capacity(sequence))
            if self.running and self.cache.tokens + needed > self.capacity:
                kept.append(sequence)
                break
            self._start(sequence, prefix)
        self.waiting.extendleft(reversed(kept))

    def _start(self, sequence: Sequence, prefix: _Prefix) -> None:
        sequence.slot = self.cache.allocate(_initial_capacity(sequence))
        if prefix.source is not None:
            self.cache.copy_prefix(prefix.source.slot, sequence.slot, prefix.cached)
            if sequence.scores_prompt:
                sequence.group.cached_tokens = prefix.cached
        self.running.append(sequence)

    def _find_prefix(self, sequence: Sequence) -> _Prefix:
        """The best prefix for a new sequence.

        It ends before the last prompt token, and before any other token whose logits are needed.
        """
        group = sequence.group
        usable = sequence.prompt_length - 1
        if sequence.scores_prompt:
            usable = group.prompt_logprobs.first_row
        if usable < 1 or not self.cache.shares_prefixes:
            return _Prefix()
        source: Sequence | None = None
        cached = coming = 0
        for other in self._candidates(sequence):
            shared = min(usable, _common_prefix(group.request.prompt, other.group.request.prompt))
            coming = max(coming, shared)
            if min(shared, other.slot.filled) > cached:
                source, cached = other, min(shared, other.slot.filled)
            if cached == usable:
                break
        return _Prefix(source, cached, coming)

    def _candidates(self, sequence: Sequence) -> Iterable[Sequence]:
        """The running sequences of the same adapter that begin with the same tokens."""
        adapter = sequence.group.adapter
        first = sequence.tokens[:_MIN_PREFIX]
        return (
            s
            for s in self.running
            if s.group.adapter is adapter and s.tokens[:_MIN_PREFIX] == first
        )


def _initial_capacity(sequence: Sequence) -> int:
    """Tokens to allocate at first: the maximum length, or twice the tokens if that is less."""
    return min(sequence.max_length, max(128, 2 * len(sequence.tokens)))


def _place(sequence: Sequence) -> tuple[int, int]:
    """The sort key by which a decode batch reads a pool in order."""
    slot = sequence.slot
    return (slot.pool.capacity, slot.index) if hasattr(slot, "pool") else (0, 0)


def _common_prefix(one: NDArray[np.int64], other: NDArray[np.int64]) -> int:
    if one is other:
        return len(one)
    length = min(len(one), len(other))
    different = np.flatnonzero(one[:length] != other[:length])
    return int(different[0]) if len(different) else length
