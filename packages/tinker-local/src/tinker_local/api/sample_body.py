"""The body of `asample` -> a sample request."""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from tinker_local.api.json_bodies import (
    Body,
    Count,
    Integer,
    Positive,
    Size,
    Text,
    decode_body,
)
from tinker_local.api.protobuf_codec import CsrLayout, check_csr
from tinker_local.errors import RequestError
from tinker_local.request_types import SampleRequest

MAX_SAMPLES = 1024
"""The most sequences of one request."""
_MAX_TOKEN = 1 << 31


class _Chunk(Body, frozen=True, kw_only=True):
    type: str = "encoded_text"
    tokens: list[Integer] = msgspec.field(default_factory=list)


class _Prompt(Body, frozen=True, kw_only=True):
    chunks: list[_Chunk]


class _SamplingParams(Body, frozen=True, kw_only=True):
    max_tokens: Count | None = None
    temperature: Size = 1.0
    top_k: Integer = -1
    top_p: Size = 1.0
    seed: Integer | None = None
    stop: str | list[str | int] | None = None


class _Tensor(Body, frozen=True, kw_only=True):
    data: list[Integer]
    shape: list[Integer] | None = None
    sparse_crow_indices: list[Integer] | None = None
    sparse_col_indices: list[Integer] = msgspec.field(default_factory=list)


class _SampleBody(Body, frozen=True, kw_only=True):
    sampling_session_id: Text
    seq_id: Count
    prompt: _Prompt
    sampling_params: _SamplingParams = _SamplingParams()
    num_samples: Positive = 1
    prompt_logprobs: bool | None = None
    topk_prompt_logprobs: Count = 0
    topk_sample_logprobs: Count = 0
    target_prompt_logprobs: _Tensor | None = None
    prompt_alt_tokens_k: Count = 0
    prompt_logprobs_last_n: Count | None = None
    record_stability_info: bool | None = None


def decode_sample_request(raw: bytes) -> tuple[SampleRequest, CsrLayout | None]:
    """A sample request, and the layout of its target tokens if they are sparse."""
    body = decode_body(raw, _SampleBody)
    if body.record_stability_info:
        raise RequestError("record_stability_info is not supported by this engine")
    if body.num_samples > MAX_SAMPLES:
        raise RequestError(f"num_samples: {body.num_samples} exceeds the limit of {MAX_SAMPLES}")
    prompt = _decode_prompt(body.prompt)
    params = body.sampling_params
    stop_tokens, stop_strings = _decode_stop(params.stop)
    targets, layout = _decode_targets(body.target_prompt_logprobs, len(prompt))
    request = SampleRequest(
        prompt=prompt,
        num_samples=body.num_samples,
        max_tokens=params.max_tokens,
        temperature=params.temperature,
        top_k=params.top_k,
        top_p=params.top_p,
        seed=params.seed,
        stop_tokens=stop_tokens,
        stop_strings=stop_strings,
        prompt_logprobs=bool(body.prompt_logprobs),
        topk_prompt_logprobs=body.topk_prompt_logprobs,
        topk_sample_logprobs=body.topk_sample_logprobs,
        target_prompt_logprobs=targets,
        prompt_alt_tokens_k=body.prompt_alt_tokens_k,
        prompt_logprobs_last_n=body.prompt_logprobs_last_n,
    )
    return request, layout


def _decode_prompt(prompt: _Prompt) -> NDArray[np.int64]:
    """Shape (P,), P >= 1. Chunks other than text are refused."""
    for index, chunk in enumerate(prompt.chunks):
        if chunk.type != "encoded_text":
            raise RequestError(
                f"prompt.chunks[{index}]: unsupported chunk type {chunk.type!r}: this engine reads "
                "text only"
            )
    tokens = [token for chunk in prompt.chunks for token in chunk.tokens]
    if not tokens:
        raise RequestError("prompt: it has no tokens")
    return np.array(tokens, np.int64)


def _decode_stop(
    stop: str | list[str | int] | None,
) -> tuple[frozenset[int] | None, tuple[str, ...]]:
    """Stop tokens and stop strings; None stands for the model's own end-of-sequence tokens."""
    if stop is None:
        return None, ()
    items = [stop] if isinstance(stop, str) else stop
    tokens = [item for item in items if isinstance(item, int) and 0 <= item < _MAX_TOKEN]
    strings = [item for item in items if isinstance(item, str) and item]
    if len(tokens) == len(items):
        return frozenset(tokens), ()
    if len(strings) == len(items):
        return None, tuple(strings)
    raise RequestError(
        f"sampling_params.stop: expected strings that are not empty, or token ids, got {stop!r:.80}"
    )


def _decode_targets(
    tensor: _Tensor | None, prompt_length: int
) -> tuple[NDArray[np.int64] | None, CsrLayout | None]:
    """Target tokens, shape (P - 1, K); cells that a CSR tensor does not list are -1."""
    if tensor is None:
        return None, None
    name = "target_prompt_logprobs"
    data = np.array(tensor.data, np.int64)
    shape = tuple(tensor.shape) if tensor.shape else (len(data),)
    if len(shape) != 2 or shape[0] != prompt_length - 1 or shape[1] < 1:
        raise RequestError(f"{name}: shape {list(shape)} is not [{prompt_length - 1}, K]")
    if tensor.sparse_crow_indices is None:
        if math.prod(shape) != len(data):
            raise RequestError(f"{name}: {len(data)} values do not fill shape {list(shape)}")
        return data.reshape(shape), None
    layout = CsrLayout(
        crow=np.array(tensor.sparse_crow_indices, np.int64),
        columns=np.array(tensor.sparse_col_indices, np.int64),
    )
    check_csr(layout, shape, len(data), name)
    targets = np.full(shape, -1, np.int64)
    targets[layout.rows, layout.columns] = data
    return targets, layout
