"""Tool calls and tool declarations as text, in the notations that families share."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import asdict

from tinker_core import DataError, Message, ToolCall, ToolSpec, UnparsedToolCall
from tinker_render.format.message_text import refuse

_ARGUMENTS = re.compile(r'"arguments"\s*:\s*')


def as_tools(tools: Sequence[ToolSpec | Mapping[str, Any]]) -> tuple[ToolSpec, ...]:
    """Tools as values; a dictionary is OpenAI's, with or without its outer layer."""
    return tuple(_as_tool(tool, f"tools[{i}]") for i, tool in enumerate(tools))


def _as_tool(tool: ToolSpec | Mapping[str, Any], where: str) -> ToolSpec:
    if isinstance(tool, ToolSpec):
        return tool
    given = tool.get("function", tool)
    unknown = sorted(set(given) - {"name", "description", "parameters", "type", "strict"})
    if unknown or not isinstance(given.get("name"), str):
        problem = f"unknown key {unknown[0]!r}" if unknown else f"not a tool by name: {tool!r:.80}"
        raise DataError(problem, field=where)
    return ToolSpec(**{k: given[k] for k in ("name", "description", "parameters") if k in given})


def to_json(value: object) -> str:
    """JSON as the vendors' templates write it."""
    return json.dumps(value, ensure_ascii=False)


def openai_tool(tool: ToolSpec) -> dict[str, Any]:
    """The declaration in OpenAI's format."""
    return {"type": "function", "function": asdict(tool, recurse=False)}


def json_call(index: int, message: Message, call: ToolCall, key: str = "arguments") -> str:
    """`{"name": ..., "arguments": ...}` with the arguments to the letter."""
    if to_json(call.name) != f'"{call.name}"':
        raise refuse(index, message, f"{call.name!r} is no name for a tool")
    return f'{{"name": "{call.name}", "{key}": {call.arguments}}}'


def checked_arguments(index: int, message: Message, call: ToolCall) -> str:
    """The arguments as they were written; raises RenderError where a parser could not read them."""
    if isinstance(read_named_call(call.name, call.arguments, ""), UnparsedToolCall):
        raise refuse(index, message, f"not a call that can be read again: {call!r:.80}")
    return call.arguments


def read_named_call(name: str, arguments: str, text: str) -> ToolCall | UnparsedToolCall:
    """A call whose name and arguments the notation keeps apart. `text` is the whole of it."""
    if not name.strip():
        return UnparsedToolCall(text=text, reason="no name")
    try:
        value = json.loads(arguments)
    except json.JSONDecodeError as error:
        return UnparsedToolCall(text=text, reason=f"not JSON: {error}")
    if not isinstance(value, dict):
        return UnparsedToolCall(text=text, reason="the arguments are not a JSON object")
    return ToolCall(name=name.strip(), arguments=arguments)


def read_json_call(text: str) -> ToolCall | UnparsedToolCall:
    """The inverse of `json_call`; keeps the arguments to the letter."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        return UnparsedToolCall(text=text, reason=f"not JSON: {error}")
    name = value.get("name") if isinstance(value, dict) else None
    arguments = value.get("arguments", {}) if isinstance(value, dict) else None
    if not isinstance(name, str) or not name or not isinstance(arguments, dict):
        return UnparsedToolCall(text=text, reason="not an object with a name and arguments")
    return ToolCall(name=name, arguments=_as_written(text, arguments))


def _as_written(text: str, arguments: dict[str, Any]) -> str:
    for match in _ARGUMENTS.finditer(text):
        try:
            value, stop = json.JSONDecoder().raw_decode(text, match.end())
        except json.JSONDecodeError:
            continue  # these letters stand within a string
        if value == arguments:
            return text[match.end() : stop]
    return to_json(arguments)
