"""What was sampled -> OpenAI's JSON: choices, pieces of a stream, logprobs, usage."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from tinker_local.openai.chat_tokenizer import Codec
from tinker_local.request_types import Drawn, SampleResult, StopReason, TopK
from tinker_local.sampling.detokenizer import TextStream

_LEAST = -9999.0
"""For minus infinity, which JSON has not."""


@frozen(kw_only=True)
class Piece:
    """Something new in a choice: text that is certain, and the tokens drawn since the last one."""

    index: int
    offset: int
    """Characters of the choice before this text."""
    text: str
    tokens: Sequence[Drawn]
    finish_reason: StopReason | None


@define(eq=False)
class Choice:
    """One sample, growing."""

    index: int
    stream: TextStream
    _tokens: list[Drawn] = field(factory=list)
    _offset: int = 0

    def take(self, drawn: Drawn) -> Piece | None:
        """The next piece, once there is text to show or the sample is finished."""
        self._tokens.append(drawn)
        text = self.stream.push(drawn.token)
        if drawn.stop_reason is None:
            return self._piece(text, None) if text else None
        text += self.stream.finish()
        return self._piece(text, "stop" if self.stream.stopped else drawn.stop_reason)

    def _piece(self, text: str, reason: StopReason | None) -> Piece:
        tokens, self._tokens = self._tokens, []
        offset, self._offset = self._offset, self._offset + len(text)
        return Piece(
            index=self.index, offset=offset, text=text, tokens=tokens, finish_reason=reason
        )


def whole(index: int, drawn: Sequence[Drawn], stream: TextStream) -> Piece:
    """A finished sample as one piece; one without tokens has reached its length."""
    text = "".join(stream.push(one.token) for one in drawn) + stream.finish()
    reason = drawn[-1].stop_reason if drawn else "length"
    reason = "stop" if stream.stopped else reason
    return Piece(index=index, offset=0, text=text, tokens=drawn, finish_reason=reason)


def drawn_tokens(result: SampleResult) -> Iterator[list[Drawn]]:
    """The tokens of each sample, as its stream would have told them."""
    for number, sequence in enumerate(result.sequences):
        last = len(sequence.tokens) - 1
        yield [
            Drawn(
                sample=number,
                token=token,
                logprob=logprob,
                likeliest=_row(sequence.topk, place),
                stop_reason=sequence.stop_reason if place == last else None,
            )
            for place, (token, logprob) in enumerate(
                zip(sequence.tokens.tolist(), sequence.logprobs.tolist(), strict=True)
            )
        ]


def prompt_tokens(prompt: NDArray[np.int64], result: SampleResult) -> list[Drawn]:
    """The tokens of an echoed prompt; the logprob of the first is NaN."""
    logprobs = result.prompt_logprobs
    assert logprobs is not None, "an echo with logprobs asks for them"
    return [
        Drawn(
            sample=0,
            token=token,
            logprob=logprob,
            likeliest=_row(result.topk_prompt, place) if place else (),
            stop_reason=None,
        )
        for place, (token, logprob) in enumerate(
            zip(prompt.tolist(), logprobs.tolist(), strict=True)
        )
    ]


def _row(topk: TopK | None, place: int) -> tuple[tuple[int, float], ...]:
    if topk is None:
        return ()
    return tuple(zip(topk.ids[place].tolist(), topk.logprobs[place].tolist(), strict=True))


def chat_logprobs(codec: Codec, tokens: Sequence[Drawn]) -> dict[str, Any]:
    """Of every token drawn; a control token, which is not in the text, has no bytes."""

    def entry(token: int, logprob: float) -> dict[str, Any]:
        raw = codec.bytes_of(token)
        return {
            "token": codec.spell(token),
            "bytes": None if raw is None else list(raw),
            "logprob": max(logprob, _LEAST),
        }

    rows = [
        {
            **entry(one.token, one.logprob),
            "top_logprobs": [entry(token, logprob) for token, logprob in one.likeliest],
        }
        for one in tokens
    ]
    return {"content": rows, "refusal": None}


def completion_logprobs(codec: Codec, tokens: Sequence[Drawn], offset: int) -> dict[str, Any]:
    """Columns over the tokens; `text_offset` counts characters from `offset` on."""

    def spell(token: int) -> str:
        raw = codec.bytes_of(token)
        text = codec.spell(token)
        if raw is None or text.encode() == raw:
            return text
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in raw)

    def alternatives(one: Drawn) -> dict[str, float]:
        best = {spell(token): max(logprob, _LEAST) for token, logprob in one.likeliest}
        return {**best, spell(one.token): max(one.logprob, _LEAST)}

    lengths = [len((codec.bytes_of(one.token) or b"").decode(errors="replace")) for one in tokens]
    known = [not math.isnan(one.logprob) for one in tokens]
    return {
        "tokens": [spell(one.token) for one in tokens],
        "token_logprobs": [
            max(one.logprob, _LEAST) if ok else None for one, ok in zip(tokens, known, strict=True)
        ],
        "top_logprobs": [
            alternatives(one) if ok else None for one, ok in zip(tokens, known, strict=True)
        ],
        "text_offset": list(accumulate(lengths[:-1], initial=offset)) if tokens else [],
    }


def usage(prompt: int, completion: int, cached: int) -> dict[str, Any]:
    """Token counts; control tokens are counted too."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
    }
