"""Bodies of OpenAI's chat and text completions -> what is wanted; `RequestError` names the field.

A field that this engine cannot obey is refused unless it has its neutral value: a request never
means less here than it says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from attrs import evolve, frozen

from tinker_local.api.json_bodies import (
    MAX_SAMPLES,
    Body,
    flag,
    integer,
    number,
    optional_integer,
    record,
    records,
    text,
)
from tinker_local.errors import RequestError

MAX_LIKELIEST = 20
"""Alternatives beside a token's logprob, as OpenAI has it."""
COMPLETION_TOKENS = 16
"""`max_tokens` of a text completion that states none, as OpenAI has it."""
ROLES = ("system", "developer", "user", "assistant", "tool")

_COMMON = {
    "model", "n", "temperature", "top_p", "top_k", "seed", "stop", "max_tokens", "logprobs",
    "stream", "stream_options",
    "user", "metadata", "safety_identifier", "prompt_cache_key",  # for the bookkeeping of a service
}  # fmt: skip
_CHAT = {
    "messages", "tools", "max_completion_tokens", "top_logprobs", "chat_template_kwargs",
}  # fmt: skip
_COMPLETION = {"prompt", "echo"}
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


@frozen(kw_only=True)
class Options:
    """How to answer, whatever the prompt."""

    model: str
    """A base model's name, or the path of a checkpoint."""
    n: int
    max_tokens: int | None
    temperature: float
    top_p: float
    top_k: int
    seed: int | None
    stop: tuple[str, ...]
    likeliest: int | None
    """How many alternatives beside each token's logprob; None: no logprobs at all."""
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


def _wrong(field: str, reason: str) -> RequestError:
    return RequestError(f"{field}: {reason}", field=field)


def _check_names(body: Body, known: set[str]) -> None:
    """Raise for a field that cannot be obeyed, and for one with text that cannot be encoded."""
    for name, value in body.items():
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except (UnicodeEncodeError, RecursionError) as error:
            raise _wrong(name, f"not valid Unicode, or nested too deep: {error}") from error
        if name in known or value is None or value in _NEUTRAL.get(name, ()):
            continue
        raise _wrong(name, f"this engine does not support it (got {repr(value)[:80]})")


def _decode_options(body: Body, max_tokens: int | None, likeliest: int | None) -> Options:
    options = Options(
        model=text(body, "model"),
        n=integer(body, "n", 1, minimum=1),
        max_tokens=max_tokens,
        temperature=_real(body, "temperature"),
        top_p=_real(body, "top_p"),
        top_k=-1 if body.get("top_k") in (None, -1) else integer(body, "top_k", minimum=1),
        seed=optional_integer(body, "seed", minimum=-(1 << 63)),
        stop=_decode_stop(body.get("stop")),
        likeliest=likeliest,
        stream=flag(body, "stream"),
        include_usage=flag(record(body, "stream_options"), "include_usage"),
    )
    if not 0 < options.top_p <= 1:
        raise _wrong("top_p", f"{options.top_p} is not above 0 and at most 1")
    if options.n > MAX_SAMPLES:
        raise _wrong("n", f"{options.n} is over the limit of {MAX_SAMPLES}")
    return options


def _real(body: Body, name: str) -> float:
    return 1.0 if body.get(name) is None else number(body, name, 1.0, minimum=0.0)


def _decode_stop(stop: object) -> tuple[str, ...]:
    if stop is None:
        return ()
    stops = [stop] if isinstance(stop, str) else stop
    if not isinstance(stops, list) or not all(isinstance(one, str) and one for one in stops):
        raise _wrong("stop", f"expected strings, none empty, got {repr(stop)[:80]}")
    return tuple(stops)


def decode_chat(body: Body) -> Chat:
    """The body of a chat completion."""
    _check_names(body, _COMMON | _CHAT)
    name = "max_tokens" if body.get("max_completion_tokens") is None else "max_completion_tokens"
    top = integer(body, "top_logprobs", 0)
    if top > MAX_LIKELIEST:
        raise _wrong("top_logprobs", f"{top} is over the limit of {MAX_LIKELIEST}")
    if top and not flag(body, "logprobs"):
        raise _wrong("top_logprobs", "needs logprobs: true")
    tools = None if body.get("tools") in (None, []) else records(body, "tools")
    messages = records(body, "messages")
    if not messages:
        raise _wrong("messages", "there are none")
    return Chat(
        messages=[_decode_message(row, f"messages[{i}]") for i, row in enumerate(messages)],
        tools=None if body.get("tool_choice") == "none" else tools,
        template_options=_decode_template_options(body),
        options=_decode_options(
            body, optional_integer(body, name, minimum=1), top if flag(body, "logprobs") else None
        ),
    )


def _decode_template_options(body: Body) -> dict[str, Any]:
    """What else the template is told; what the engine tells it itself is not the client's."""
    options = record(body, "chat_template_kwargs")
    ours = {
        "conversation", "messages", "tools", "documents", "chat_template", "tokenize",
        "add_generation_prompt", "continue_final_message", "return_tensors", "return_dict",
        "return_assistant_tokens_mask", "padding", "truncation", "max_length", "tokenizer_kwargs",
    }  # fmt: skip
    for name in options.keys() & ours:
        raise _wrong("chat_template_kwargs", f"{name} cannot be set")
    return options


def _decode_message(row: dict[str, Any], place: str) -> dict[str, Any]:
    """A message as templates expect it: content as one string, arguments as objects."""
    if row.get("role") not in ROLES:
        raise _wrong(f"{place}.role", f"{row.get('role')!r} is not one of {', '.join(ROLES)}")
    message = {name: value for name, value in row.items() if value is not None}
    message["content"] = _decode_content(row.get("content"), f"{place}.content")
    if "tool_calls" in message:
        calls = enumerate(records(message, "tool_calls"))
        message["tool_calls"] = [_decode_call(c, f"{place}.tool_calls[{i}]") for i, c in calls]
    return message


def _decode_content(content: object, place: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise _wrong(place, f"expected a string or a list of parts, got {repr(content)[:80]}")
    texts = []
    for i, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else type(part).__name__
        if kind != "text" or not isinstance(part.get("text"), str):
            raise _wrong(f"{place}[{i}]", f"this engine reads parts of type text, not {kind!r}")
        texts.append(part["text"])
    return "".join(texts)


def _decode_call(call: dict[str, Any], place: str) -> dict[str, Any]:
    function = call.get("function")
    if not isinstance(function, dict):
        raise _wrong(f"{place}.function", f"expected an object, got {repr(function)[:80]}")
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments or "{}")
        except (ValueError, RecursionError) as error:
            raise _wrong(f"{place}.function.arguments", f"not JSON: {error}") from error
    return {**call, "function": {**function, "arguments": arguments}}


def decode_completion(body: Body) -> Completion:
    """The body of a text completion."""
    _check_names(body, _COMMON | _COMPLETION)
    likeliest = optional_integer(body, "logprobs")
    if likeliest is not None and likeliest > MAX_LIKELIEST:
        raise _wrong("logprobs", f"{likeliest} is over the limit of {MAX_LIKELIEST}")
    options = _decode_options(body, integer(body, "max_tokens", COMPLETION_TOKENS), likeliest)
    options = evolve(options, echo=flag(body, "echo"))
    if options.stream and (options.echo or options.max_tokens == 0):
        raise _wrong("stream", "not together with echo or max_tokens 0")
    prompts = _decode_prompts(body.get("prompt"))
    if len(prompts) * options.n > MAX_SAMPLES:
        raise _wrong("prompt", f"{len(prompts)} x n is over the limit of {MAX_SAMPLES} sequences")
    return Completion(prompts=prompts, options=options)


def _decode_prompts(prompt: object) -> list[str] | list[list[int]]:
    """One text, one list of tokens, or a list of either."""
    prompts = prompt
    if isinstance(prompt, str) or _is_tokens(prompt):
        prompts = [prompt]
    if not isinstance(prompts, list) or not prompts:
        raise _wrong("prompt", f"expected a text or tokens, or some, got {repr(prompt)[:80]}")
    if not (all(isinstance(p, str) for p in prompts) or all(map(_is_tokens, prompts))):
        raise _wrong("prompt", "expected texts or lists of tokens, not both")
    return prompts


def _is_tokens(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(type(token) is int and 0 <= token < 1 << 31 for token in value)
    )
