"""Continuous batching: every step is one forward pass over the next tokens of all open sequences.

A sequence has tokens that are not cached yet: many at first (its prompt), one from then on. A step
takes all that have one, and as many prompt tokens as fit beside them, whatever request or adapter
they belong to. A prompt that starts like one that is already there takes over its keys and values,
so that samples of one prompt, in one request or in many, compute it once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor

from tinker_local.errors import RequestError
from tinker_local.model.adapter import Adapter
from tinker_local.model.base import BaseModel, chunks
from tinker_local.model.fallback_cache import PlainCache
from tinker_local.model.kv_cache import Cache
from tinker_local.model.limits import Limits
from tinker_local.model.lora import Segment
from tinker_local.request_types import SampleRequest, SampleResult, StopReason
from tinker_local.sampling.batch_scheduler import Schedule, Work
from tinker_local.sampling.sequence import Continuation, Surroundings, Ticket, open_request
from tinker_local.sampling.token_sampling import choose

_CACHE_BYTES = 2 * 2**30

Outcome = tuple[Ticket, SampleResult | RequestError]


class Sampler:
    """All open sample requests of one base model."""

    def __init__(self, base: BaseModel, *, cache_bytes: int = _CACHE_BYTES) -> None:
        self._base = base
        self._around = Surroundings(
            limits=Limits(vocab_size=base.vocab_size, context_length=base.context_length),
            eos_tokens=base.eos_tokens,
            decode=_decoder(base.tokenizer),
        )
        cache: Cache | PlainCache
        if base.cache_shape is None:
            cache = PlainCache(base)
            self._extend = cache.extend
        else:
            cache = Cache(base.cache_shape, base.dtype, base.device)
            self._extend = base.extend
        self._schedule = Schedule.over(cache, cache_bytes)

    @property
    def idle(self) -> bool:
        """Nothing to do."""
        return not self._schedule.waiting and not self._schedule.open

    def add(self, request: SampleRequest, adapter: Adapter | None) -> Ticket:
        """Queue a request; RequestError when it cannot be served."""
        ticket, continuations = open_request(request, adapter, self._around)
        self._schedule.waiting.extend(continuations)
        return ticket

    def cancel(self, ticket: Ticket) -> None:
        """Forget a request, finished or not."""
        self._schedule.cancel(ticket)

    @torch.no_grad()
    def step(self) -> list[Outcome]:
        """One forward pass over what is open; the requests that it finished."""
        work = self._schedule.plan()
        if not work:
            return []
        tokens = [
            token
            for w in work
            for token in w.sequence.tokens[w.stretch.slot.filled :][: w.stretch.count]
        ]
        stretches = [w.stretch for w in work]
        segments = _segments(
            [w.sequence.ticket.adapter for w in work], [s.count for s in stretches]
        )
        hidden = self._extend(torch.tensor(tokens), stretches, segments)
        for w in work:
            if w.sequence.reports:
                self._report(w, hidden)
        outcomes: list[Outcome] = []
        ready = [w for w in work if w.sequence.pending == 0]
        for w in ready:
            if w.sequence.complete:  # max_tokens was 0
                outcomes += self._finish(w.sequence, "length")
        ready = [w for w in ready if not w.sequence.complete]
        for rows in chunks(len(ready), 2 * self._base.vocab_size):  # running sums are float64
            outcomes += self._draw(ready[rows], hidden)
        return outcomes

    def _report(self, work: Work, hidden: Tensor) -> None:
        """Fill the prompt's report from those of its rows that this step computed."""
        sequence, count = work.sequence, work.stretch.count
        report = sequence.ticket.report
        end = work.stretch.slot.filled
        first = max(end - count, report.first_row)
        last = min(end, sequence.prompt_length - 1)
        rows = hidden[work.start + first - (end - count) :][: max(0, last - first)]
        for piece in chunks(len(rows), self._base.vocab_size):
            logp = self._logp(rows[piece], [sequence.ticket.adapter] * (piece.stop - piece.start))
            report.fill(first + piece.start, logp)

    def _logp(self, hidden: Tensor, adapters: Sequence[Adapter | None]) -> Tensor:
        return torch.log_softmax(
            self._base.logits(hidden, _segments(adapters, [1] * len(adapters))), -1
        )

    def _draw(self, ready: Sequence[Work], hidden: Tensor) -> list[Outcome]:
        """The next token of sequences whose tokens are all cached."""
        sequences = [w.sequence for w in ready]
        rows = torch.tensor([w.start + w.stretch.count - 1 for w in ready], device=hidden.device)
        logp = self._logp(hidden[rows], [c.ticket.adapter for c in sequences])
        uniforms = [float(c.rng.random()) for c in sequences]
        chosen = choose(logp, [c.rule for c in sequences], uniforms)
        tokens, logprobs = chosen.tolist(), logp.gather(-1, chosen[:, None])[:, 0].tolist()
        k = max(c.ticket.request.topk_sample_logprobs for c in sequences)
        best, likeliest = (x.tolist() for x in logp.topk(k))
        outcomes: list[Outcome] = []
        for i, sequence in enumerate(sequences):
            if sequence.slot is None:
                continue  # another sample of its request has failed
            if not math.isfinite(logprobs[i]):
                outcomes += self._fail(sequence)
                continue
            reason = sequence.append(tokens[i], logprobs[i], (likeliest[i], best[i]))
            if reason is not None:
                outcomes += self._finish(sequence, reason)
        return outcomes

    def _finish(self, sequence: Continuation, reason: StopReason) -> list[Outcome]:
        sequence.finish(reason)
        self._schedule.close(sequence)
        ticket = sequence.ticket
        done = len(ticket.finished) == ticket.request.num_samples
        return [(ticket, ticket.result())] if done else []

    def _fail(self, sequence: Continuation) -> list[Outcome]:
        """The whole request, all samples of which are dropped."""
        where = f"sample {sequence.index}, token {len(sequence.tokens)}"
        self._schedule.cancel(sequence.ticket)
        return [(sequence.ticket, RequestError(f"{where}: the model's logits are not finite"))]


def _decoder(tokenizer: Any) -> Callable[[list[int]], str] | None:
    if tokenizer is None:
        return None
    return partial(tokenizer.decode, skip_special_tokens=False, clean_up_tokenization_spaces=False)


def _segments(adapters: Sequence[Adapter | None], counts: Sequence[int]) -> list[Segment]:
    """Neighbouring rows of one adapter as one segment; none for rows of the base model."""
    segments = []
    row = 0
    for adapter, group in groupby(zip(adapters, counts, strict=True), key=itemgetter(0)):
        start, row = row, row + sum(count for _, count in group)
        if adapter is not None:
            segments.append(Segment(start=start, end=row, weights=adapter.weights))
    return segments
