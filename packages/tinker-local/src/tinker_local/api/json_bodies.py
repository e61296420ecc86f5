"""JSON request bodies -> the plain values of the engine; `RequestError` names a wrong field.

Readers are lenient about what is extra and strict about what is used.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinker_local.api.protobuf_codec import CsrLayout, check_csr
from tinker_local.errors import RequestError
from tinker_local.request_types import AdamParams, LoraSpec, SampleRequest

Body = Mapping[str, Any]
MAX_SAMPLES = 1024
"""Sequences of one request."""


def parse_json(raw: bytes) -> dict[str, Any]:
    """The JSON object in a request body; an empty body is an empty object."""
    if not raw:
        return {}
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise RequestError(f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise RequestError(f"the body must be a JSON object, not {type(value).__name__}")
    return value


def _wrong(name: str, wanted: str, value: object) -> RequestError:
    return RequestError(f"{name}: expected {wanted}, got {repr(value)[:80]}", field=name)


def text(body: Body, name: str) -> str:
    """A required string that can be encoded (JSON may hold lone surrogates)."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise _wrong(name, "a string", value)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise _wrong(name, "valid Unicode", value) from error
    return value


def optional_text(body: Body, name: str) -> str | None:
    return None if body.get(name) is None else text(body, name)


def integer(body: Body, name: str, default: int | None = None, *, minimum: int = 0) -> int:
    """An integer in int64, at least `minimum`; required unless there is a default."""
    value = body.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(name, "an integer", value)
    if not minimum <= value < 1 << 63:
        raise _wrong(name, f"an integer from {minimum} to 2**63 - 1", value)
    return value


def optional_integer(body: Body, name: str, *, minimum: int = 0) -> int | None:
    return None if body.get(name) is None else integer(body, name, minimum=minimum)


def number(body: Body, name: str, default: float, *, minimum: float = -math.inf) -> float:
    """A finite float, at least `minimum`."""
    value = body.get(name, default)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _wrong(name, "a number", value)
    if not math.isfinite(value) or value < minimum:
        raise _wrong(name, f"a finite number of at least {minimum}", value)
    return float(value)


def flag(body: Body, name: str, default: bool = False) -> bool:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise _wrong(name, "true or false", value)
    return value


def record(body: Body, name: str) -> dict[str, Any]:
    """An object; absent reads as empty."""
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong(name, "an object", value)
    return value


def records(body: Body, name: str) -> list[dict[str, Any]]:
    value = body.get(name)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise _wrong(name, "a list of objects", value)
    return value


def strings(body: Body, name: str) -> list[str]:
    """A list of strings; absent reads as empty."""
    value = body.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _wrong(name, "a list of strings", value)
    return value


def integers(body: Body, name: str) -> NDArray[np.int64]:
    """Shape (n,), from a flat list of int64."""
    value = body.get(name)
    if not isinstance(value, list):
        raise _wrong(name, "a list of integers", value)
    if not all(type(item) is int and -(1 << 63) <= item < 1 << 63 for item in value):
        raise _wrong(name, "a list of 64-bit integers", value)
    return np.array(value, np.int64)


def decode_lora_spec(body: Body) -> LoraSpec:
    """The `lora_config` of create_model."""
    config = record(body, "lora_config")
    spec = LoraSpec(
        rank=integer(config, "rank", 32, minimum=1),
        seed=optional_integer(config, "seed", minimum=-(1 << 63)),
        train_attn=flag(config, "train_attn", True),
        train_mlp=flag(config, "train_mlp", True),
        train_unembed=flag(config, "train_unembed", True),
    )
    if not (spec.train_attn or spec.train_mlp or spec.train_unembed):
        raise RequestError("lora_config: at least one of train_attn, train_mlp, train_unembed")
    return spec


def check_optimizer(body: Body) -> None:
    """Raise unless the `optimizer_config` of a model, if any, is AdamW."""
    kind = record(body, "optimizer_config").get("type", "adamw")
    if kind != "adamw":
        raise RequestError(f"optimizer_config: this engine has adamw, not {kind!r}")


def decode_adam_params(body: Body) -> AdamParams:
    """The `adam_params` of optim_step; absent fields take the API's defaults."""
    if body.get("optimizer_params") is not None:
        kind = record(body, "optimizer_params").get("type")
        raise RequestError(f"optim_step: this engine takes adam_params, not {kind!r}")
    params = record(body, "adam_params")
    return AdamParams(
        learning_rate=number(params, "learning_rate", 1e-4, minimum=0.0),
        beta1=_beta(params, "beta1", 0.9),
        beta2=_beta(params, "beta2", 0.95),
        eps=number(params, "eps", 1e-12, minimum=0.0),
        weight_decay=number(params, "weight_decay", 0.0, minimum=0.0),
        grad_clip_norm=number(params, "grad_clip_norm", 0.0, minimum=0.0),
    )


def _beta(params: Body, name: str, default: float) -> float:
    value = number(params, name, default, minimum=0.0)
    if value >= 1.0:
        raise _wrong(name, "a number below 1", value)
    return value


def decode_prompt(body: Body) -> NDArray[np.int64]:
    """Shape (P,), P >= 1; chunks other than text are refused."""
    pieces = []
    for index, chunk in enumerate(records(record(body, "prompt"), "chunks")):
        kind = chunk.get("type", "encoded_text")
        if kind != "encoded_text":
            raise RequestError(
                f"prompt, chunk {index}: this engine reads text only, not a chunk of kind {kind!r}"
            )
        pieces.append(integers(chunk, "tokens"))
    prompt = np.concatenate(pieces) if pieces else np.zeros(0, np.int64)
    if not len(prompt):
        raise RequestError("prompt: no tokens")
    return prompt


def decode_sample_request(body: Body) -> tuple[SampleRequest, CsrLayout | None]:
    """A sample request, and the layout of its target tokens if they came as CSR."""
    if flag(body, "record_stability_info"):
        raise RequestError("record_stability_info is not supported by this engine")
    num_samples = integer(body, "num_samples", 1, minimum=1)
    if num_samples > MAX_SAMPLES:
        raise RequestError(f"num_samples: {num_samples} is over the limit of {MAX_SAMPLES}")
    prompt = decode_prompt(body)
    params = record(body, "sampling_params")
    stop_tokens, stop_strings = _decode_stop(params.get("stop"))
    targets, layout = _decode_targets(body, len(prompt))
    request = SampleRequest(
        prompt=prompt,
        num_samples=num_samples,
        max_tokens=optional_integer(params, "max_tokens"),
        temperature=number(params, "temperature", 1.0, minimum=0.0),
        top_k=integer(params, "top_k", -1, minimum=-1),
        top_p=number(params, "top_p", 1.0, minimum=0.0),
        seed=optional_integer(params, "seed", minimum=-(1 << 63)),
        stop_tokens=stop_tokens,
        stop_strings=stop_strings,
        prompt_logprobs=flag(body, "prompt_logprobs"),
        topk_prompt_logprobs=integer(body, "topk_prompt_logprobs", 0),
        topk_sample_logprobs=integer(body, "topk_sample_logprobs", 0),
        target_prompt_logprobs=targets,
        prompt_alt_tokens_k=integer(body, "prompt_alt_tokens_k", 0),
        prompt_logprobs_last_n=optional_integer(body, "prompt_logprobs_last_n"),
    )
    return request, layout


def _decode_stop(stop: object) -> tuple[frozenset[int] | None, tuple[str, ...]]:
    """Stop tokens and stop strings: None means the model's own end, an empty list means no end."""
    if stop is None:
        return None, ()
    if isinstance(stop, str):
        stop = [stop]
    if not isinstance(stop, list):
        raise _wrong("stop", "a string, strings or token ids", stop)
    if all(type(item) is int and 0 <= item < 1 << 31 for item in stop):
        return frozenset(stop), ()
    if all(isinstance(item, str) and item for item in stop):
        return None, tuple(stop)
    raise _wrong("stop", "strings or token ids, not both, none empty", stop)


def _decode_targets(
    body: Body, prompt_length: int
) -> tuple[NDArray[np.int64] | None, CsrLayout | None]:
    """Target tokens, shape (P - 1, K); cells that a CSR form does not list are skipped, as -1."""
    name = "target_prompt_logprobs"
    if body.get(name) is None:
        return None, None
    tensor = record(body, name)
    data = integers(tensor, "data")
    shape = tuple(integers(tensor, "shape").tolist()) if tensor.get("shape") else (len(data),)
    if len(shape) != 2 or shape[0] != prompt_length - 1 or shape[1] < 1:
        raise RequestError(f"{name}: shape {list(shape)} is not [{prompt_length - 1}, K]")
    if tensor.get("sparse_crow_indices") is None:
        if math.prod(shape) != len(data):
            raise RequestError(f"{name}: {len(data)} values do not fill shape {list(shape)}")
        return data.reshape(shape), None
    layout = CsrLayout(
        crow=integers(tensor, "sparse_crow_indices"),
        columns=integers(tensor, "sparse_col_indices"),
    )
    check_csr(layout, shape, len(data), name)
    targets = np.full(shape, -1, np.int64)
    targets[layout.rows, layout.columns] = data
    return targets, layout
