"""A sequence, one sample in progress, and the sequence group of its request."""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import define, field

from tinker_local.model.lora_adapter import LoraAdapter
from tinker_local.request_types import (
    SampledSequence,
    SampledToken,
    SampleRequest,
    SampleResult,
    StopReason,
    TopK,
)
from tinker_local.sampling.prompt_logprobs import PromptLogprobs
from tinker_local.sampling.stop_strings import StopStringMatcher
from tinker_local.sampling.token_sampling import TokenSamplingParams


@define(eq=False)
class SequenceGroup:
    """All samples of one request; compared by identity."""

    request: SampleRequest
    adapter: LoraAdapter | None
    prompt_logprobs: PromptLogprobs
    finished: dict[int, SampledSequence] = field(factory=dict)
    """By the index of the sample."""
    cached_tokens: int = 0

    @property
    def is_finished(self) -> bool:
        """All samples have ended."""
        return len(self.finished) == self.request.num_samples

    def result(self) -> SampleResult:
        """The answer to the request, once the group is finished."""
        return SampleResult(
            sequences=tuple(self.finished[i] for i in range(self.request.num_samples)),
            prompt_logprobs=self.prompt_logprobs.logprobs,
            topk_prompt=self.prompt_logprobs.topk,
            target_prompt_logprobs=self.prompt_logprobs.targets,
            alt_tokens=self.prompt_logprobs.alt_tokens,
            alt_logprobs=self.prompt_logprobs.alt_logprobs,
            cached_tokens=self.cached_tokens,
        )


@define(eq=False, kw_only=True)
class Sequence:
    """One sample: its prompt and the tokens drawn so far."""

    group: SequenceGroup
    index: int
    """The index of the sample in its group."""
    tokens: list[int]
    """The prompt and what was drawn."""
    max_length: int
    """The length at which it ends, prompt included."""
    params: TokenSamplingParams
    rng: np.random.Generator
    stop_tokens: frozenset[int]
    stop_strings: StopStringMatcher | None
    slot: Any = None
    """Its slot in the cache; None while it waits."""
    logprobs: list[float] = field(factory=list)
    top_logprobs: list[tuple[list[int], list[float]]] = field(factory=list)
    """The most likely tokens and their logprobs at each position that was drawn."""

    @property
    def prompt_length(self) -> int:
        """The number of prompt tokens."""
        return len(self.group.request.prompt)

    @property
    def num_uncached(self) -> int:
        """The number of tokens that are not in the cache yet."""
        return len(self.tokens) - (self.slot.filled if self.slot else 0)

    @property
    def scores_prompt(self) -> bool:
        """The group's prompt logprobs come from the prefill of this sequence."""
        return self.index == 0

    @property
    def is_full(self) -> bool:
        """It has the maximum length."""
        return len(self.tokens) >= self.max_length

    def append(
        self, token: int, logprob: float, top: tuple[list[int], list[float]]
    ) -> StopReason | None:
        """Append a drawn token and the most likely ones; the stop reason if it is the last."""
        self.tokens.append(token)
        self.logprobs.append(logprob)
        self.top_logprobs.append(top)
        reason = self._stop_reason(token)
        request = self.group.request
        if request.on_token is not None:
            row = zip(*(column[: request.topk_sample_logprobs] for column in top), strict=True)
            request.on_token(
                SampledToken(
                    sample=self.index,
                    token=token,
                    logprob=logprob,
                    top_logprobs=tuple(row),
                    stop_reason=reason,
                )
            )
        return reason

    def _stop_reason(self, token: int) -> StopReason | None:
        if token in self.stop_tokens:
            return "stop"
        if self.stop_strings is not None and self.stop_strings.completed_by(token):
            return "stop"
        return "length" if self.is_full else None

    def finish(self, reason: StopReason) -> None:
        """Add the sample to the finished ones of the group."""
        k = self.group.request.topk_sample_logprobs
        topk = None
        if k > 0:
            ids = np.array([row[0][:k] for row in self.top_logprobs], np.int32).reshape(-1, k)
            logprobs = np.array([row[1][:k] for row in self.top_logprobs], np.float32)
            topk = TopK(ids=ids, logprobs=logprobs.reshape(-1, k))
        self.group.finished[self.index] = SampledSequence(
            tokens=np.array(self.tokens[self.prompt_length :], np.int32),
            logprobs=np.array(self.logprobs, np.float32),
            stop_reason=reason,
            topk=topk,
        )
