"""One continuation in the making, and the request it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from attrs import define, field, frozen

from tinker_local.errors import RequestError
from tinker_local.model.adapter import Adapter
from tinker_local.model.limits import Limits, check_vocabulary
from tinker_local.request_types import (
    Drawn,
    SampleRequest,
    SampleResult,
    Sequence,
    StopReason,
    TopK,
)
from tinker_local.sampling.prompt_logprobs import PromptReport
from tinker_local.sampling.stop_strings import StopStrings
from tinker_local.sampling.token_sampling import Rule


@define(eq=False)
class Ticket:
    """A request that is being served; compared by identity."""

    request: SampleRequest
    adapter: Adapter | None
    report: PromptReport
    finished: dict[int, Sequence] = field(factory=dict)
    cached_tokens: int = 0

    def result(self) -> SampleResult:
        """Of all samples, once they are finished."""
        return SampleResult(
            sequences=tuple(self.finished[i] for i in range(self.request.num_samples)),
            prompt_logprobs=self.report.logprobs,
            topk_prompt=self.report.topk,
            target_prompt_logprobs=self.report.targets,
            alt_tokens=self.report.alt_tokens,
            alt_logprobs=self.report.alt_logprobs,
            cached_tokens=self.cached_tokens,
        )


@define(eq=False, kw_only=True)
class Continuation:
    """One sample: the prompt and what has been drawn after it."""

    ticket: Ticket
    index: int
    """Which of the request's samples."""
    tokens: list[int]
    limit: int
    """Length at which it ends, prompt included."""
    rule: Rule
    rng: np.random.Generator
    stop_tokens: frozenset[int]
    stop_strings: StopStrings | None
    slot: Any = None
    """Where its keys and values are; None while it waits."""
    logprobs: list[float] = field(factory=list)
    likeliest: list[tuple[list[int], list[float]]] = field(factory=list)

    @property
    def prompt_length(self) -> int:
        """Tokens that were given, not drawn."""
        return len(self.ticket.request.prompt)

    @property
    def pending(self) -> int:
        """Tokens that are not cached yet."""
        return len(self.tokens) - (self.slot.filled if self.slot else 0)

    @property
    def reports(self) -> bool:
        """Whether the ticket's prompt report is made from this sample's prefill."""
        return self.index == 0

    @property
    def complete(self) -> bool:
        """As long as it may become."""
        return len(self.tokens) >= self.limit

    def append(
        self, token: int, logprob: float, likeliest: tuple[list[int], list[float]]
    ) -> StopReason | None:
        """Take a drawn token, the likeliest beside it; the reason if it is the last one."""
        self.tokens.append(token)
        self.logprobs.append(logprob)
        self.likeliest.append(likeliest)
        reason = self._reason(token)
        request = self.ticket.request
        if request.on_token is not None:
            row = zip(
                *(column[: request.topk_sample_logprobs] for column in likeliest), strict=True
            )
            drawn = Drawn(
                sample=self.index,
                token=token,
                logprob=logprob,
                likeliest=tuple(row),
                stop_reason=reason,
            )
            request.on_token(drawn)
        return reason

    def _reason(self, token: int) -> StopReason | None:
        """Why the sample ends with this token, if it does."""
        if token in self.stop_tokens:
            return "stop"
        if self.stop_strings is not None and self.stop_strings.completed_by(token):
            return "stop"
        return "length" if self.complete else None

    def finish(self, reason: StopReason) -> None:
        """Hand what was drawn to the ticket."""
        k = self.ticket.request.topk_sample_logprobs
        topk = None
        if k > 0:
            ids = np.array([row[0][:k] for row in self.likeliest], np.int32).reshape(-1, k)
            logprobs = np.array([row[1][:k] for row in self.likeliest], np.float32).reshape(-1, k)
            topk = TopK(ids=ids, logprobs=logprobs)
        self.ticket.finished[self.index] = Sequence(
            tokens=np.array(self.tokens[self.prompt_length :], np.int32),
            logprobs=np.array(self.logprobs, np.float32),
            stop_reason=reason,
            topk=topk,
        )


@frozen(kw_only=True)
class Surroundings:
    """What a request is checked against and turned into continuations with."""

    limits: Limits
    eos_tokens: frozenset[int]
    decode: Callable[[list[int]], str] | None
    """Token ids to text; None when the model has no tokenizer."""


def open_request(
    request: SampleRequest, adapter: Adapter | None, around: Surroundings
) -> tuple[Ticket, list[Continuation]]:
    """The samples of a request, ready to run; RequestError says which limit it breaks."""
    _check(request, around)
    length = len(request.prompt)
    seed = _seed(request)
    report_rng = np.random.default_rng([*seed, request.num_samples])
    ticket = Ticket(request, adapter, PromptReport(request, report_rng))
    free = around.limits.context_length - length
    drawn = free if request.max_tokens is None else request.max_tokens
    stops = around.eos_tokens if request.stop_tokens is None else request.stop_tokens
    rule = Rule(temperature=request.temperature, top_k=request.top_k, top_p=request.top_p)
    continuations = [
        Continuation(
            ticket=ticket,
            index=i,
            tokens=request.prompt.tolist(),
            limit=length + drawn,
            rule=rule,
            rng=np.random.default_rng([*seed, i]),
            stop_tokens=stops,
            stop_strings=_watch(request, around),
        )
        for i in range(request.num_samples)
    ]
    return ticket, continuations


def _seed(request: SampleRequest) -> list[int]:
    if request.seed is None:
        return list(np.random.SeedSequence().generate_state(4).tolist())
    return [request.seed & (2**64 - 1)]


def _watch(request: SampleRequest, around: Surroundings) -> StopStrings | None:
    if not request.stop_strings or around.decode is None:
        return None
    return StopStrings(request.stop_strings, around.decode)


def _check(request: SampleRequest, around: Surroundings) -> None:
    _check_room(request, around.limits)
    if not request.temperature >= 0 or request.temperature == float("inf"):
        raise RequestError(f"temperature {request.temperature} is not a number >= 0")
    if not 0 < request.top_p <= 1:
        raise RequestError(f"top_p {request.top_p} is not in (0, 1]")
    if request.top_k < -1 or request.top_k == 0:
        raise RequestError(f"top_k {request.top_k} is neither -1 (off) nor at least 1")
    if any(not string for string in request.stop_strings):
        raise RequestError("a stop string is empty")
    if request.stop_strings and around.decode is None:
        raise RequestError(
            "stop strings need a tokenizer, and this model has none; use stop tokens"
        )
    _check_prompt_options(request, around.limits.vocab_size)


def _check_room(request: SampleRequest, limits: Limits) -> None:
    length = len(request.prompt)
    if length == 0:
        raise RequestError("the prompt is empty")
    check_vocabulary(request.prompt, limits.vocab_size, "prompt")
    if request.num_samples < 1:
        raise RequestError(f"num_samples {request.num_samples} is below 1")
    if request.max_tokens is not None and request.max_tokens < 0:
        raise RequestError(f"max_tokens {request.max_tokens} is below 0")
    wanted = length + (1 if request.max_tokens is None else request.max_tokens)
    if wanted > limits.context_length:
        raise RequestError(
            f"{length} prompt tokens and {wanted - length} to sample are more than the context "
            f"length {limits.context_length}"
        )


def _check_prompt_options(request: SampleRequest, vocab_size: int) -> None:
    length = len(request.prompt)
    for name in ("topk_prompt_logprobs", "topk_sample_logprobs", "prompt_alt_tokens_k"):
        if not 0 <= getattr(request, name) <= vocab_size:
            raise RequestError(
                f"{name} {getattr(request, name)} is not between 0 and {vocab_size}, the vocabulary"
            )
    last_n = request.prompt_logprobs_last_n
    if last_n is not None and not (request.prompt_logprobs and 1 <= last_n < length):
        raise RequestError(
            f"prompt_logprobs_last_n {last_n} needs prompt_logprobs and must be between 1 and "
            f"{length - 1}, one less than the prompt's length"
        )
    targets = request.target_prompt_logprobs
    if targets is None:
        return
    if targets.ndim != 2 or len(targets) != length - 1:
        raise RequestError(
            f"target_prompt_logprobs has shape {targets.shape}, the prompt needs ({length - 1}, K)"
        )
    check_vocabulary(np.where(targets == -1, 0, targets), vocab_size, "target_prompt_logprobs")
