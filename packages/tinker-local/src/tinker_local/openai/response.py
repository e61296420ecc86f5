"""Samples -> OpenAI's JSON: choices, the deltas of a stream, logprobs, usage."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from tinker_local.openai.chat_tokenizer import ChatTokenizer
from tinker_local.request_types import SampledToken, SampleResult, StopReason, TopK
from tinker_local.sampling.stop_strings import TextBeforeStop

_MIN_LOGPROB = -9999.0
"""Stands for minus infinity, which JSON cannot hold."""


@frozen(kw_only=True)
class Delta:
    """The new part of a choice: released text, and the tokens since the last delta."""

    index: int
    """The index of the choice."""
    offset: int
    """Characters of the choice before this text."""
    text: str
    tokens: Sequence[SampledToken]
    finish_reason: StopReason | None


@define(eq=False)
class Choice:
    """One sample in progress."""

    index: int
    text: TextBeforeStop
    _tokens: list[SampledToken] = field(factory=list)
    _offset: int = 0

    def push(self, token: SampledToken) -> Delta | None:
        """The next delta, once there is new text or the sample is finished."""
        self._tokens.append(token)
        text = self.text.push(token.token)
        if token.stop_reason is None:
            return self._delta(text, None) if text else None
        text += self.text.finish()
        return self._delta(text, "stop" if self.text.stopped else token.stop_reason)

    def _delta(self, text: str, reason: StopReason | None) -> Delta:
        tokens, self._tokens = self._tokens, []
        offset, self._offset = self._offset, self._offset + len(text)
        return Delta(
            index=self.index, offset=offset, text=text, tokens=tokens, finish_reason=reason
        )


def whole(index: int, tokens: Sequence[SampledToken], text: TextBeforeStop) -> Delta:
    """A finished sample as one delta. A sample without tokens has reached its length."""
    released = "".join(text.push(token.token) for token in tokens) + text.finish()
    reason = tokens[-1].stop_reason if tokens else "length"
    reason = "stop" if text.stopped else reason
    return Delta(index=index, offset=0, text=released, tokens=tokens, finish_reason=reason)


def sampled_tokens(result: SampleResult) -> Iterator[list[SampledToken]]:
    """The tokens of each sample, as a stream would deliver them."""
    for number, sequence in enumerate(result.sequences):
        last = len(sequence.tokens) - 1
        yield [
            SampledToken(
                sample=number,
                token=token,
                logprob=logprob,
                top_logprobs=_top_logprobs(sequence.topk, position),
                stop_reason=sequence.stop_reason if position == last else None,
            )
            for position, (token, logprob) in enumerate(
                zip(sequence.tokens.tolist(), sequence.logprobs.tolist(), strict=True)
            )
        ]


def prompt_tokens(prompt: NDArray[np.int64], result: SampleResult) -> list[SampledToken]:
    """The tokens of an echoed prompt. The logprob of the first is NaN."""
    logprobs = result.prompt_logprobs
    assert logprobs is not None, "an echo with logprobs requests them"
    return [
        SampledToken(
            sample=0,
            token=token,
            logprob=logprob,
            top_logprobs=_top_logprobs(result.topk_prompt, position) if position else (),
            stop_reason=None,
        )
        for position, (token, logprob) in enumerate(
            zip(prompt.tolist(), logprobs.tolist(), strict=True)
        )
    ]


def _top_logprobs(topk: TopK | None, position: int) -> tuple[tuple[int, float], ...]:
    if topk is None:
        return ()
    ids, logprobs = topk.ids[position].tolist(), topk.logprobs[position].tolist()
    return tuple(zip(ids, logprobs, strict=True))


def chat_logprobs(tokenizer: ChatTokenizer, tokens: Sequence[SampledToken]) -> dict[str, Any]:
    """The logprobs of a chat completion. A control token is not in the text and has no bytes."""

    def entry(token: int, logprob: float) -> dict[str, Any]:
        raw = tokenizer.bytes_of(token)
        return {
            "token": tokenizer.spell(token),
            "bytes": None if raw is None else list(raw),
            "logprob": max(logprob, _MIN_LOGPROB),
        }

    rows = [
        {
            **entry(one.token, one.logprob),
            "top_logprobs": [entry(token, logprob) for token, logprob in one.top_logprobs],
        }
        for one in tokens
    ]
    return {"content": rows, "refusal": None}


def completion_logprobs(
    tokenizer: ChatTokenizer, tokens: Sequence[SampledToken], offset: int
) -> dict[str, Any]:
    """The logprobs of a text completion, in columns. `text_offset` counts from `offset` on."""

    def spell(token: int) -> str:
        raw = tokenizer.bytes_of(token)
        text = tokenizer.spell(token)
        if raw is None or text.encode() == raw:
            return text
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in raw)

    def alternatives(one: SampledToken) -> dict[str, float]:
        best = {spell(token): max(logprob, _MIN_LOGPROB) for token, logprob in one.top_logprobs}
        return {**best, spell(one.token): max(one.logprob, _MIN_LOGPROB)}

    lengths = [
        len((tokenizer.bytes_of(one.token) or b"").decode(errors="replace")) for one in tokens
    ]
    scored = [not math.isnan(one.logprob) for one in tokens]
    pairs = list(zip(tokens, scored, strict=True))
    return {
        "tokens": [spell(one.token) for one in tokens],
        "token_logprobs": [max(one.logprob, _MIN_LOGPROB) if ok else None for one, ok in pairs],
        "top_logprobs": [alternatives(one) if ok else None for one, ok in pairs],
        "text_offset": list(accumulate(lengths[:-1], initial=offset)) if tokens else [],
    }


def usage(prompt: int, completion: int, cached: int) -> dict[str, Any]:
    """The numbers of tokens, control tokens included."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
    }
