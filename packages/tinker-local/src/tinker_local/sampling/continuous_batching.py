"""Continuous batching: each step is one forward pass over tokens of all running sequences.

New requests join at any step, and finished ones leave, whatever adapter they use. A step prefills
chunks of prompts and decodes one token of every other sequence in the same forward pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence as SequenceOf
from itertools import groupby
from operator import itemgetter

import torch
from torch import Tensor

from tinker_local.errors import RequestError
from tinker_local.model.base import BaseModel
from tinker_local.model.fallback_cache import FallbackCache
from tinker_local.model.kv_cache import KVCache
from tinker_local.model.lora_adapter import LoraAdapter
from tinker_local.model.lora_layer import Segment
from tinker_local.request_types import SampleRequest, SampleResult, StopReason
from tinker_local.sampling.batch_scheduler import BatchScheduler, ScheduledChunk
from tinker_local.sampling.sample_request import make_sequences
from tinker_local.sampling.sequence import Sequence, SequenceGroup
from tinker_local.sampling.token_sampling import sample_tokens

CACHE_BYTES = 2 * 2**30

Outcome = tuple[SequenceGroup, SampleResult | RequestError]


class Sampler:
    """All open sample requests of one base model."""

    def __init__(self, base: BaseModel, *, cache_bytes: int = CACHE_BYTES) -> None:
        self._base = base
        shape = base.cache_shape
        self._cache = FallbackCache(base) if shape is None else KVCache(base, shape)
        self._scheduler = BatchScheduler.with_cache_bytes(self._cache, cache_bytes)

    @property
    def is_idle(self) -> bool:
        """No request is open."""
        return self._scheduler.is_idle

    def add(self, request: SampleRequest, adapter: LoraAdapter | None) -> SequenceGroup:
        """Queue a request. RequestError when it cannot be served."""
        sequences = make_sequences(request, adapter, self._base)
        self._scheduler.waiting.extend(sequences)
        return sequences[0].group

    def cancel(self, group: SequenceGroup) -> None:
        """Drop a request, finished or not."""
        self._scheduler.cancel(group)

    @torch.no_grad()
    def step(self) -> list[Outcome]:
        """One forward pass over the next batch; the requests that it finished."""
        batch = self._scheduler.schedule()
        if not batch:
            return []
        hidden = self._forward(batch)
        for scheduled in batch:
            if scheduled.sequence.scores_prompt:
                self._score_prompt(scheduled, hidden)
        outcomes: list[Outcome] = []
        decoding = [c for c in batch if c.sequence.num_uncached == 0]
        for scheduled in decoding:
            if scheduled.sequence.is_full:  # max_tokens is 0
                outcomes += self._finish(scheduled.sequence, "length")
        decoding = [c for c in decoding if not c.sequence.is_full]
        # Sampling also holds cumulative sums in float64, which take as much memory as two logits.
        for rows in self._base.row_chunks(len(decoding), floats=2):
            outcomes += self._decode(decoding[rows], hidden)
        return outcomes

    def _forward(self, batch: SequenceOf[ScheduledChunk]) -> Tensor:
        """Final hidden states (T, width) of a batch; its tokens are cached."""
        tokens: list[int] = []
        for scheduled in batch:
            filled = scheduled.chunk.slot.filled
            tokens += scheduled.sequence.tokens[filled : filled + scheduled.chunk.count]
        chunks = [scheduled.chunk for scheduled in batch]
        segments = _segments(
            [scheduled.sequence.group.adapter for scheduled in batch], [c.count for c in chunks]
        )
        return self._cache.forward(torch.tensor(tokens), chunks, segments)

    def _score_prompt(self, scheduled: ScheduledChunk, hidden: Tensor) -> None:
        """Fill the group's prompt logprobs from the prompt rows of this batch."""
        sequence, count = scheduled.sequence, scheduled.chunk.count
        prompt_logprobs = sequence.group.prompt_logprobs
        end = scheduled.chunk.slot.filled
        first = max(end - count, prompt_logprobs.first_row)
        last = min(end, sequence.prompt_length - 1)
        rows = hidden[scheduled.start + first - (end - count) :][: max(0, last - first)]
        for chunk in self._base.row_chunks(len(rows)):
            adapters = [sequence.group.adapter] * (chunk.stop - chunk.start)
            prompt_logprobs.fill(first + chunk.start, self._logp(rows[chunk], adapters))

    def _logp(self, hidden: Tensor, adapters: SequenceOf[LoraAdapter | None]) -> Tensor:
        segments = _segments(adapters, [1] * len(adapters))
        return torch.log_softmax(self._base.logits(hidden, segments), -1)

    def _decode(self, batch: SequenceOf[ScheduledChunk], hidden: Tensor) -> list[Outcome]:
        """Draw the next token of sequences whose tokens are all cached."""
        sequences = [c.sequence for c in batch]
        rows = torch.tensor([c.start + c.chunk.count - 1 for c in batch], device=hidden.device)
        logp = self._logp(hidden[rows], [s.group.adapter for s in sequences])
        uniforms = [float(s.rng.random()) for s in sequences]
        drawn = sample_tokens(logp, [s.params for s in sequences], uniforms)
        tokens, logprobs = drawn.tolist(), logp.gather(-1, drawn[:, None])[:, 0].tolist()
        k = max(s.group.request.topk_sample_logprobs for s in sequences)
        top_logprobs, top_tokens = (x.tolist() for x in logp.topk(k))
        outcomes: list[Outcome] = []
        for i, sequence in enumerate(sequences):
            if sequence.slot is None:
                continue  # another sample of its group has failed in this step
            if not math.isfinite(logprobs[i]):
                outcomes += self._fail(sequence)
                continue
            reason = sequence.append(tokens[i], logprobs[i], (top_tokens[i], top_logprobs[i]))
            if reason is not None:
                outcomes += self._finish(sequence, reason)
        return outcomes

    def _finish(self, sequence: Sequence, reason: StopReason) -> list[Outcome]:
        sequence.finish(reason)
        self._scheduler.finish(sequence)
        group = sequence.group
        return [(group, group.result())] if group.is_finished else []

    def _fail(self, sequence: Sequence) -> list[Outcome]:
        """Fail the whole group and drop its other samples."""
        where = f"sample {sequence.index}, token {len(sequence.tokens)}"
        self._scheduler.cancel(sequence.group)
        return [(sequence.group, RequestError(f"{where}: the logits are not finite"))]


def _segments(adapters: SequenceOf[LoraAdapter | None], counts: SequenceOf[int]) -> list[Segment]:
    """One segment for neighbouring rows of the same adapter; none for rows of the base model."""
    segments = []
    row = 0
    for adapter, group in groupby(zip(adapters, counts, strict=True), key=itemgetter(0)):
        start, row = row, row + sum(count for _, count in group)
        if adapter is not None:
            segments.append(Segment(start=start, end=row, adapter=adapter))
    return segments
