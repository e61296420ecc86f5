"""Tool calls and tool declarations as JSON, as several families write them."""

from __future__ import annotations

from typing import Any

from attrs import asdict

from tinker_core import Message, ToolCall, ToolSpec, UnparsedToolCall
from tinker_core.strict_json import JsonError, members, parse_json, to_json
from tinker_render.format.message_text import refuse


def openai_tool(tool: ToolSpec) -> dict[str, Any]:
    """The declaration in the OpenAI format."""
    return {"type": "function", "function": asdict(tool, recurse=False)}


def json_call(index: int, message: Message, call: ToolCall) -> str:
    """`{"name": ..., "arguments": ...}` with the text of the arguments unchanged."""
    arguments = checked_arguments(index, message, call)
    return f'{{"name": {to_json(call.name)}, "arguments": {arguments}}}'


def checked_arguments(index: int, message: Message, call: ToolCall) -> str:
    """The text of the arguments. Raises RenderError for a call that `read_call` does not accept."""
    read = read_call(call.name, call.arguments, text="")
    if isinstance(read, UnparsedToolCall):
        raise refuse(index, message, f"a call of {call.name!r}: {read.reason}")
    return call.arguments


def read_call(name: str, arguments: str, *, text: str) -> ToolCall | UnparsedToolCall:
    """A call from its name and the text of its arguments. `text` is the text of the whole call."""
    if not name or name != name.strip():
        return UnparsedToolCall(text=text, reason=f"not the name of a tool: {name!r:.80}")
    try:
        value = parse_json(arguments)
    except JsonError as error:
        return UnparsedToolCall(text=text, reason=str(error))
    if not isinstance(value, dict):
        return UnparsedToolCall(text=text, reason="the arguments are not a JSON object")
    return ToolCall(name=name, arguments=arguments)


def read_json_call(text: str) -> ToolCall | UnparsedToolCall:
    """The inverse of `json_call`; keeps the text of the arguments."""
    try:
        parts = members(text)
        name = parse_json(parts.get("name", "null"))
    except JsonError as error:
        return UnparsedToolCall(text=text, reason=str(error))
    if unknown := sorted(parts.keys() - {"name", "arguments"}):
        return UnparsedToolCall(text=text, reason=f"unknown key {unknown[0]!r} in a call")
    if not isinstance(name, str):
        return UnparsedToolCall(text=text, reason="a call without the name of a tool")
    return read_call(name, parts.get("arguments", "{}"), text=text)
