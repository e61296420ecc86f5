"""The model as an environment of verifiers sees it: a client that passes questions on."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Mapping
from typing import Any

from attrs import define, field, frozen

from tinker_core import Message, ToolSpec

_types: Any = importlib.import_module("verifiers.types")
_clients: Any = importlib.import_module("verifiers.clients")


@frozen
class Question:
    """A question of the environment: the conversation so far."""

    prompt: tuple[Mapping[str, Any], ...]
    tools: tuple[ToolSpec, ...]
    state: Any
    """State of the rollout, which grows during the rollout."""


@define
class Exchange:
    """The questions and answers of one rollout. None in the place of a question ends it."""

    questions: asyncio.Queue[Question | None] = field(factory=asyncio.Queue)
    answers: asyncio.Queue[tuple[Message, bool]] = field(factory=asyncio.Queue)
    """Messages, and whether each was cut short."""


class ExchangeClient(_clients.Client):  # type: ignore[misc]  # its base is there only at run time
    """A client of verifiers whose model is the reader of the exchange."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange)

    def setup_client(self, config: Any) -> Any:
        raise NotImplementedError("an ExchangeClient is made from an Exchange, not from a config")

    async def to_native_tool(self, tool: Any) -> ToolSpec:
        return ToolSpec(
            name=tool.name, description=tool.description, parameters=dict(tool.parameters)
        )

    async def to_native_prompt(self, messages: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        return [openai_message(message) for message in messages], {}

    async def get_native_response(  # the signature of verifiers
        self,
        prompt: list[dict[str, Any]],
        model: str,
        sampling_args: Any,
        tools: list[ToolSpec] | None = None,
        *,
        state: Any = None,
        **kwargs: Any,
    ) -> Any:
        exchange: Exchange = self.client
        await exchange.questions.put(Question(tuple(prompt), tuple(tools or ()), state))
        return await exchange.answers.get()

    async def raise_from_native_response(self, response: Any) -> None:
        return None

    async def from_native_response(self, response: tuple[Message, bool]) -> Any:
        message, cut_short = response
        calls = [
            {"id": call.id or f"call_{i}", "name": call.name, "arguments": call.arguments}
            for i, call in enumerate(message.tool_calls)
        ]
        said = _types.ResponseMessage(
            content=message.text,
            reasoning_content=message.thinking or None,
            tool_calls=calls or None,
            finish_reason="length" if cut_short else "tool_calls" if calls else "stop",
            is_truncated=cut_short,
        )
        return _types.Response(id="", created=0, model="", message=said)

    async def close(self) -> None:
        return None


def openai_message(message: Any) -> dict[str, Any]:
    """A message of verifiers in the OpenAI chat format."""
    plain: dict[str, Any] = json.loads(message.model_dump_json(exclude_none=True))
    if calls := plain.pop("tool_calls", None):
        plain["tool_calls"] = [
            {
                "id": call["id"],
                "type": "function",
                "function": {"name": call["name"], "arguments": call["arguments"]},
            }
            for call in calls
        ]
    return {key: plain[key] for key in plain.keys() & _KEYS}


_KEYS = {"role", "content", "tool_calls", "tool_call_id", "reasoning_content", "name"}
