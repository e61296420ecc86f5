"""Models of the Tinker API in Inspect: `inspect eval task.py --model tinker/<base model>`.

Inspect finds this module by its entry point. `-M checkpoint=...` names a checkpoint (a `tinker://`
path or a run directory), and `-M renderer=...` another renderer.
"""
# mypy: disable-error-code="import-not-found,misc,no-any-unimported,untyped-decorator"

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from typing import Any

import tinker
from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessage,
    ChatMessageAssistant,
    ContentReasoning,
    ContentText,
    GenerateConfig,
    ModelAPI,
    ModelOutput,
    ModelUsage,
    modelapi,
)
from inspect_ai.tool import ToolCall, ToolChoice, ToolInfo
from tinker import types

from tinker_core import (
    ConfigError,
    CutShort,
    DataError,
    Message,
    Outcome,
    Part,
    TextPart,
    ThinkingPart,
    ToolSpec,
)
from tinker_core import ToolCall as OurToolCall
from tinker_evals.model.model import Model
from tinker_evals.model.open_model import open_model, process_service

_APPLIED_HERE = frozenset(
    ("max_tokens", "temperature", "top_p", "top_k", "seed", "stop_seqs", "num_choices")
)
_APPLIED_BY_INSPECT = frozenset(
    (
        *("max_retries", "timeout", "attempt_timeout", "max_connections", "adaptive_connections"),
        *("system_message", "max_tool_output", "reasoning_history", "cache", "fail_on_refusal"),
        *("fallback_models", "internal_tools"),
    )
)
"""Settings that Inspect applies around the provider."""
_MAX_TOKENS = 2048
_MAX_CONNECTIONS = 256


@modelapi(name="tinker")
class TinkerAPI(ModelAPI):
    """A base model, a checkpoint of it, or a given `model`, opened at its first use."""

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(model_name, base_url, api_key, [], config or GenerateConfig())
        self._model: Model | None = arguments.pop("model", None)
        self._checkpoint: str | None = arguments.pop("checkpoint", None)
        self._renderer: str | None = arguments.pop("renderer", None)
        if arguments:
            raise ConfigError(f"unknown model arguments: {', '.join(sorted(arguments))}")

    async def generate(
        self,
        input: list[ChatMessage],
        tools: list[ToolInfo],
        tool_choice: ToolChoice,
        config: GenerateConfig,
    ) -> ModelOutput:
        """Sample the assistant's next message. Raises ConfigError for an unsupported setting."""
        refuse_unsupported(config, tool_choice)
        model = await self._opened()
        renderer = model.renderer
        specs = [] if tool_choice == "none" else [_spec(tool) for tool in tools]
        prompt = renderer.build_generation_prompt([to_message(m) for m in input], tools=specs)
        room = model.room(prompt, config.max_tokens or _MAX_TOKENS)
        params = _sampling_params(config, room, renderer.get_stop_sequences())
        response = await model.client.sample(prompt, config.num_choices or 1, params)
        return _output(self.model_name, model, response, prompt.length, config.stop_seqs or [])

    async def _opened(self) -> Model:
        if self._model is None:
            self._model = await open_model(
                process_service(), self.model_name, self._checkpoint, self._renderer
            )
        return self._model

    def max_tokens(self) -> int:
        """Most tokens of a reply, unless a task says otherwise."""
        return _MAX_TOKENS

    def max_connections(self) -> int:
        """Concurrent requests, enough to fill the engine's batch."""
        return _MAX_CONNECTIONS

    def should_retry(self, ex: BaseException) -> bool:
        """True if the engine failed, rather than the request."""
        if isinstance(ex, tinker.RequestFailedError):
            return ex.category != types.RequestErrorCategory.User
        return isinstance(ex, tinker.APIConnectionError | tinker.InternalServerError)


def refuse_unsupported(config: GenerateConfig, tool_choice: ToolChoice) -> None:
    """Raise ConfigError that names the settings which this provider cannot apply."""
    given = config.model_dump(exclude_none=True)
    if given.get("parallel_tool_calls"):  # only the opposite cannot be applied
        del given["parallel_tool_calls"]
    unsupported = [name for name in given if name not in _APPLIED_HERE | _APPLIED_BY_INSPECT]
    if unsupported:
        raise ConfigError(
            f"the tinker provider does not support {', '.join(sorted(unsupported))}: remove"
            " the setting"
        )
    if tool_choice not in ("auto", "none"):
        raise ConfigError(
            f"the tinker provider cannot force a tool call: tool_choice is {tool_choice!r},"
            " expected 'auto' or 'none'"
        )


def _sampling_params(
    config: GenerateConfig, max_tokens: int, stop: list[int] | list[str]
) -> tinker.SamplingParams:
    return tinker.SamplingParams(
        max_tokens=max_tokens,
        temperature=1.0 if config.temperature is None else config.temperature,
        top_p=1.0 if config.top_p is None else config.top_p,
        top_k=-1 if config.top_k is None else config.top_k,
        seed=config.seed,
        stop=stop,
    )


def to_message(message: ChatMessage) -> Message:
    """Inspect's message as ours. Raises DataError for content other than text and reasoning."""
    calls = [
        OurToolCall(
            name=call.function,
            arguments=json.dumps(call.arguments, ensure_ascii=False),
            id=call.id,
        )
        for call in getattr(message, "tool_calls", None) or ()
    ]
    return Message(
        role=message.role,
        content=_parts(message.content),
        tool_calls=tuple(calls),
        tool_call_id=getattr(message, "tool_call_id", None),
        name=getattr(message, "function", None),
    )


def _parts(content: Any) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (TextPart(content),) if content else ()
    parts: list[Part] = []
    for part in content:
        match part:
            case ContentText():
                parts.append(TextPart(part.text))
            case ContentReasoning():
                parts.append(ThinkingPart(part.reasoning))
            case _:
                raise DataError(f"messages can hold text and reasoning, not {part.type}")
    return tuple(parts)


def _spec(tool: ToolInfo) -> ToolSpec:
    return ToolSpec(
        name=tool.name,
        description=tool.description,
        parameters=tool.parameters.model_dump(exclude_none=True),
    )


def _output(
    name: str,
    model: Model,
    response: types.SampleResponse,
    prompt_tokens: int,
    stops: Sequence[str],
) -> ModelOutput:
    outcomes = [model.renderer.parse_response(list(s.tokens)) for s in response.sequences]
    sampled = sum(len(sequence.tokens) for sequence in response.sequences)
    return ModelOutput(
        model=name,
        choices=[to_choice(outcome, name, stops) for outcome in outcomes],
        usage=ModelUsage(
            input_tokens=prompt_tokens,
            output_tokens=sampled,
            total_tokens=prompt_tokens + sampled,
        ),
    )


def to_choice(outcome: Outcome, name: str, stops: Sequence[str] = ()) -> ChatCompletionChoice:
    """A parsed reply as Inspect's choice; its text ends before the first of `stops`."""
    message = outcome.message
    text, stopped = _up_to(message.text, stops)
    reasoning = [ContentReasoning(reasoning=message.thinking)] if message.thinking else []
    calls = [_tool_call(call) for call in message.tool_calls]
    calls += [
        ToolCall(id=_id(None), function="", arguments={}, parse_error=f"{bad.reason}: {bad.text}")
        for bad in message.unparsed_tool_calls
    ]
    reason = "max_tokens" if isinstance(outcome, CutShort) and not stopped else "stop"
    return ChatCompletionChoice(
        message=ChatMessageAssistant(
            content=[*reasoning, ContentText(text=text)] if reasoning else text,
            tool_calls=calls or None,
            model=name,
            source="generate",
        ),
        stop_reason="tool_calls" if calls and reason == "stop" else reason,
    )


def _tool_call(call: OurToolCall) -> ToolCall:
    try:
        return ToolCall(id=_id(call.id), function=call.name, arguments=call.parsed_arguments)
    except DataError as error:
        return ToolCall(id=_id(call.id), function=call.name, arguments={}, parse_error=str(error))


def _id(id: str | None) -> str:
    return id or f"call_{uuid.uuid4().hex[:12]}"


def _up_to(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    places = [text.find(stop) for stop in stops if stop in text]
    return (text[: min(places)], True) if places else (text, False)
