"""The bodies of OpenAI's chat and text completions. A RequestError names the field that is wrong.

A field that this engine cannot obey is refused, unless it has the value that changes nothing. A
request never means less here than it says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from attrs import evolve, frozen
from msgspec import Meta

from tinker_local.api.json_bodies import (
    Body,
    Count,
    Integer,
    Positive,
    Size,
    StrictBody,
    Text,
    decode_body,
)
from tinker_local.api.sample_body import MAX_SAMPLES
from tinker_local.errors import RequestError

MAX_TOP_LOGPROBS = 20
"""OpenAI's limit."""
COMPLETION_TOKENS = 16
"""OpenAI's `max_tokens` of a text completion that states none."""
ROLES = ("system", "developer", "user", "assistant", "tool")

_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "response_format": ({"type": "text"},),
    "tool_choice": ("auto", "none"),
    "parallel_tool_calls": (True,),
    "modalities": (["text"],),
    "service_tier": ("auto", "default"),
    "store": (False,),
    "suffix": ("",),
    "best_of": (1,),
}
"""The values that change nothing, of fields that this engine cannot obey."""
_TEMPLATE_ARGUMENTS = {
    "conversation", "messages", "tools", "documents", "chat_template", "tokenize",
    "add_generation_prompt", "continue_final_message", "return_tensors", "return_dict",
    "return_assistant_tokens_mask", "padding", "truncation", "max_length", "tokenizer_kwargs",
}  # fmt: skip
"""The arguments of `apply_chat_template` that the engine sets itself."""


class _StreamOptions(Body, frozen=True, kw_only=True):
    include_usage: bool | None = None


class _Common(StrictBody, frozen=True, kw_only=True):
    model: Text
    n: Positive | None = None
    temperature: Size | None = None
    top_p: Size | None = None
    top_k: Annotated[int, Meta(ge=-1)] | None = None
    seed: Integer | None = None
    stop: str | list[str] | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    # For the bookkeeping of a hosted service:
    user: Any = None
    metadata: Any = None
    safety_identifier: Any = None
    prompt_cache_key: Any = None
    # See _NEUTRAL:
    frequency_penalty: Any = None
    presence_penalty: Any = None
    logit_bias: Any = None
    response_format: Any = None
    tool_choice: Any = None
    parallel_tool_calls: Any = None
    modalities: Any = None
    service_tier: Any = None
    store: Any = None
    suffix: Any = None
    best_of: Any = None


class _ChatBody(_Common, frozen=True, kw_only=True):
    messages: Annotated[list[dict[str, Any]], Meta(min_length=1)]
    tools: list[dict[str, Any]] | None = None
    max_tokens: Positive | None = None
    max_completion_tokens: Positive | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    chat_template_kwargs: dict[str, Any] | None = None


class _CompletionBody(_Common, frozen=True, kw_only=True):
    prompt: Any = None
    max_tokens: Count | None = None
    logprobs: Annotated[int, Meta(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    echo: bool | None = None


@frozen(kw_only=True)
class Options:
    """The options that chat and text completions share."""

    model: str
    """The name of a base model, or the path of a checkpoint."""
    n: int
    max_tokens: int | None
    temperature: float
    top_p: float
    top_k: int
    seed: int | None
    stop: tuple[str, ...]
    top_logprobs: int | None
    """The number of alternatives beside each token's logprob; None: no logprobs at all."""
    stream: bool
    include_usage: bool
    echo: bool = False


@frozen(kw_only=True)
class Chat:
    """A chat to be continued by an assistant's message."""

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None
    template_options: Mapping[str, Any]
    options: Options


@frozen(kw_only=True)
class Completion:
    """Texts, or lists of tokens, to be continued."""

    prompts: list[str] | list[list[int]]
    options: Options


def _invalid(field: str, reason: str) -> RequestError:
    return RequestError(f"{field}: {reason}", field=field)


def _decode_options(body: _Common, max_tokens: int | None, top_logprobs: int | None) -> Options:
    for name, values in _NEUTRAL.items():
        value = getattr(body, name)
        if value is not None and value not in values:
            raise _invalid(name, f"this engine does not support it, got {value!r:.80}")
    top_p = 1.0 if body.top_p is None else body.top_p
    if not 0 < top_p <= 1:
        raise _invalid("top_p", f"expected a number above 0 and at most 1, got {top_p}")
    if body.top_k == 0:
        raise _invalid("top_k", "expected -1 (off) or at least 1, got 0")
    n = 1 if body.n is None else body.n
    if n > MAX_SAMPLES:
        raise _invalid("n", f"{n} exceeds the limit of {MAX_SAMPLES}")
    stop = [body.stop] if isinstance(body.stop, str) else body.stop or []
    if not all(stop):
        raise _invalid("stop", f"expected strings that are not empty, got {body.stop!r:.80}")
    return Options(
        model=body.model,
        n=n,
        max_tokens=max_tokens,
        temperature=1.0 if body.temperature is None else body.temperature,
        top_p=top_p,
        top_k=-1 if body.top_k is None else body.top_k,
        seed=body.seed,
        stop=tuple(stop),
        top_logprobs=top_logprobs,
        stream=bool(body.stream),
        include_usage=bool(body.stream_options and body.stream_options.include_usage),
    )


def decode_chat(raw: bytes) -> Chat:
    """The body of a chat completion."""
    body = decode_body(raw, _ChatBody)
    if body.top_logprobs and not body.logprobs:
        raise _invalid("top_logprobs", "it needs logprobs: true")
    top_logprobs = (body.top_logprobs or 0) if body.logprobs else None
    max_tokens = body.max_completion_tokens or body.max_tokens
    options = body.chat_template_kwargs or {}
    for name in options.keys() & _TEMPLATE_ARGUMENTS:
        raise _invalid("chat_template_kwargs", f"{name} cannot be set")
    return Chat(
        messages=[_decode_message(m, f"messages[{i}]") for i, m in enumerate(body.messages)],
        tools=None if body.tool_choice == "none" else body.tools or None,
        template_options=options,
        options=_decode_options(body, max_tokens, top_logprobs),
    )


def _decode_message(row: dict[str, Any], place: str) -> dict[str, Any]:
    """A message as chat templates expect it: content as one string, arguments as objects."""
    role = row.get("role")
    if role not in ROLES:
        raise _invalid(f"{place}.role", f"expected one of {', '.join(ROLES)}, got {role!r:.80}")
    message = {name: value for name, value in row.items() if value is not None}
    message["content"] = _decode_content(row.get("content"), f"{place}.content")
    if "tool_calls" in message:
        message["tool_calls"] = _decode_calls(message["tool_calls"], f"{place}.tool_calls")
    return message


def _decode_content(content: object, place: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise _invalid(place, f"expected a string or a list of parts, got {content!r:.80}")
    texts = []
    for i, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else type(part).__name__
        if kind != "text" or not isinstance(part.get("text"), str):
            raise _invalid(f"{place}[{i}]", f"expected a part of type 'text', got {kind!r:.80}")
        texts.append(part["text"])
    return "".join(texts)


def _decode_calls(calls: object, place: str) -> list[dict[str, Any]]:
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        raise _invalid(place, f"expected a list of objects, got {calls!r:.80}")
    return [_decode_call(call, f"{place}[{i}].function") for i, call in enumerate(calls)]


def _decode_call(call: dict[str, Any], place: str) -> dict[str, Any]:
    function = call.get("function")
    if not isinstance(function, dict):
        raise _invalid(place, f"expected an object, got {function!r:.80}")
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments or "{}")
        except (ValueError, RecursionError) as error:
            raise _invalid(f"{place}.arguments", f"not JSON: {error}") from error
    return {**call, "function": {**function, "arguments": arguments}}


def decode_completion(raw: bytes) -> Completion:
    """The body of a text completion."""
    body = decode_body(raw, _CompletionBody)
    max_tokens = COMPLETION_TOKENS if body.max_tokens is None else body.max_tokens
    options = evolve(_decode_options(body, max_tokens, body.logprobs), echo=bool(body.echo))
    if options.stream and (options.echo or options.max_tokens == 0):
        raise _invalid("stream", "it cannot be combined with echo or max_tokens 0")
    prompts = _decode_prompts(body.prompt)
    if len(prompts) * options.n > MAX_SAMPLES:
        raise _invalid("prompt", f"{len(prompts)} x n exceeds the limit of {MAX_SAMPLES} sequences")
    return Completion(prompts=prompts, options=options)


def _decode_prompts(prompt: object) -> list[str] | list[list[int]]:
    """One text, one list of tokens, or a list of either."""
    prompts = [prompt] if isinstance(prompt, str) or _is_tokens(prompt) else prompt
    if not isinstance(prompts, list) or not prompts:
        raise _invalid("prompt", f"expected texts or lists of tokens, got {prompt!r:.80}")
    if not (all(isinstance(p, str) for p in prompts) or all(map(_is_tokens, prompts))):
        raise _invalid("prompt", "expected texts or lists of tokens, not both")
    return prompts


def _is_tokens(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(type(token) is int and 0 <= token < 1 << 31 for token in value)
    )
