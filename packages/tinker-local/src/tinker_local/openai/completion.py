"""The reply to a chat or text completion: whole, or as a stream of server-sent events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from attrs import frozen

from tinker_local.openai.request import Options
from tinker_local.openai.response import (
    Choice,
    Delta,
    chat_logprobs,
    completion_logprobs,
    prompt_tokens,
    sampled_tokens,
    usage,
    whole,
)
from tinker_local.openai.sampling import Sampling, ServedModel
from tinker_local.request_types import SampleRequest, SampleResult
from tinker_local.sampling.stop_strings import TextBeforeStop


@frozen(kw_only=True, eq=False)
class Job:
    """One HTTP request, ready to be sampled."""

    options: Options
    model: ServedModel
    prompts: list[list[int]]
    texts: list[str]
    """The prompts as texts, for an echo."""
    format: ReplyFormat

    def requests(self) -> list[SampleRequest]:
        """The sample request of each prompt."""
        options = self.options
        top_logprobs = options.top_logprobs or 0
        scored = options.echo and options.top_logprobs is not None
        return [
            SampleRequest(
                prompt=np.array(prompt, np.int64),
                num_samples=options.n,
                max_tokens=options.max_tokens,
                temperature=options.temperature,
                top_k=options.top_k,
                top_p=options.top_p,
                seed=options.seed,
                stop_strings=options.stop,
                topk_sample_logprobs=top_logprobs,
                prompt_logprobs=scored,
                topk_prompt_logprobs=top_logprobs if scored else 0,
            )
            for prompt in self.prompts
        ]

    def text(self) -> TextBeforeStop:
        """The text of a new sample."""
        return TextBeforeStop(self.model.tokenizer.detokenizer(), self.options.stop)

    def usage(self, results: Sequence[SampleResult], sampled: int) -> dict[str, Any]:
        """The token counts of the request."""
        cached = sum(result.cached_tokens for result in results)
        return usage(sum(map(len, self.prompts)), sampled, cached)


@frozen(kw_only=True)
class ReplyFormat:
    """The JSON of one kind of completion."""

    id_prefix: str
    object: str
    chunk_object: str
    choice: Callable[[Job, Delta], dict[str, Any]]
    chunk_choice: Callable[[Job, Delta], dict[str, Any]]
    first_delta: dict[str, Any] | None
    """The delta that opens each choice of a stream."""


def _chat_choice(job: Job, delta: Delta, *, key: str = "message") -> dict[str, Any]:
    content: dict[str, Any] = {"role": "assistant", "content": delta.text, "refusal": None}
    if key == "delta":
        content = {"content": delta.text} if delta.text else {}
    logprobs = None
    if job.options.top_logprobs is not None:
        logprobs = chat_logprobs(job.model.tokenizer, delta.tokens)
    return {
        "index": delta.index,
        key: content,
        "finish_reason": delta.finish_reason,
        "logprobs": logprobs,
    }


def _text_choice(job: Job, delta: Delta) -> dict[str, Any]:
    logprobs = None
    if job.options.top_logprobs is not None:
        logprobs = completion_logprobs(job.model.tokenizer, delta.tokens, delta.offset)
    return {
        "index": delta.index,
        "text": delta.text,
        "finish_reason": delta.finish_reason,
        "logprobs": logprobs,
    }


CHAT = ReplyFormat(
    id_prefix="chatcmpl",
    object="chat.completion",
    chunk_object="chat.completion.chunk",
    choice=_chat_choice,
    chunk_choice=partial(_chat_choice, key="delta"),
    first_delta={"role": "assistant", "content": ""},
)
TEXT = ReplyFormat(
    id_prefix="cmpl",
    object="text_completion",
    chunk_object="text_completion",
    choice=_text_choice,
    chunk_choice=_text_choice,
    first_delta=None,
)


def whole_reply(
    job: Job, sampling: Sampling, results: Sequence[SampleResult], envelope: dict[str, Any]
) -> dict[str, Any]:
    """The reply when all samples are finished."""
    deltas = [
        whole(number * job.options.n + index, tokens, job.text())
        for number, result in enumerate(results)
        for index, tokens in enumerate(sampled_tokens(result))
    ]
    sampled = sum(len(delta.tokens) for delta in deltas)
    if job.options.echo:
        deltas = [_echo(job, sampling, results, delta) for delta in deltas]
    return {
        **envelope,
        "object": job.format.object,
        "choices": [job.format.choice(job, delta) for delta in deltas],
        "usage": job.usage(results, sampled),
    }


def _echo(job: Job, sampling: Sampling, results: Sequence[SampleResult], delta: Delta) -> Delta:
    """The prompt, with its logprobs if they are requested, before the sample."""
    number = delta.index // job.options.n
    request = sampling.requests[number]
    before = prompt_tokens(request.prompt, results[number]) if request.prompt_logprobs else []
    return Delta(
        index=delta.index,
        offset=0,
        text=job.texts[number] + delta.text,
        tokens=[*before, *delta.tokens],
        finish_reason=delta.finish_reason,
    )


async def stream_reply(
    job: Job, sampling: Sampling, envelope: dict[str, Any]
) -> AsyncIterator[dict[str, Any]]:
    """The chunks of a stream. The first comes with the first token."""
    n, sampled = job.options.n, 0
    envelope = {**envelope, "object": job.format.chunk_object}
    if job.options.include_usage:
        envelope = {**envelope, "usage": None}
    choices = [Choice(index, job.text()) for index in range(len(job.prompts) * n)]
    opened = job.format.first_delta is None
    async for number, token in sampling.stream():
        if not opened:
            opened = True
            for choice in choices:
                first = {"delta": job.format.first_delta, "finish_reason": None, "logprobs": None}
                yield {**envelope, "choices": [{"index": choice.index, **first}]}
        sampled += 1
        delta = choices[number * n + token.sample].push(token)
        if delta is not None:
            yield {**envelope, "choices": [job.format.chunk_choice(job, delta)]}
    if job.options.include_usage:
        yield {**envelope, "choices": [], "usage": job.usage(sampling.results, sampled)}


def server_sent_event(event: dict[str, Any]) -> str:
    """One event of a stream."""
    return f"data: {json.dumps(event)}\n\n"
