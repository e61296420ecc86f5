"""Tool calls in a chat template: how they are given to it, and how they are read again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinker_core import Message, ToolCall, ToolSpec
from tinker_render.parsing.turn import CallReader
from tinker_render.tools.json_calls import read_json_call
from tinker_render.tools.xml_calls import read_xml_call

BOUNDS = ("<tool_call>", "</tool_call>")
TRIAL = ToolCall(name="lookup", arguments='{"place": "Rome"}')

Readers = Callable[[Sequence[ToolSpec]], CallReader]


def call_dicts(message: Message, say: Callable[[str], str]) -> list[dict[str, Any]]:
    """The calls as templates take them, each name and each string of an argument as `say` has it.

    Arguments are dictionaries, and their keys stay. Strings come in the order of the call.
    """
    return [
        {
            "type": "function",
            **({"id": call.id} if call.id else {}),
            "function": {
                "name": say(call.name),
                "arguments": _said(call.parsed_arguments, say),
            },
        }
        for call in message.tool_calls
    ]


def strings_of(message: Message) -> list[str]:
    """What `call_dicts` asks to say, in that order."""
    strings: list[str] = []

    def say(string: str) -> str:
        strings.append(string)
        return string

    call_dicts(message, say)
    return strings


def _said(value: Any, say: Callable[[str], str]) -> Any:
    match value:
        case str() if value:
            return say(value)
        case dict():
            return {key: _said(inner, say) for key, inner in value.items()}
        case list():
            return [_said(inner, say) for inner in value]
    return value


def reader_of(written: str) -> Readers | None:
    """What reads calls as a template has written `TRIAL`; None for a notation that we do not know.

    Known are JSON and XML between `<tool_call>` and `</tool_call>`.
    """
    call = written.partition(BOUNDS[0])[2].partition(BOUNDS[1])[0]
    if read_json_call(call) == TRIAL:
        return lambda tools: read_json_call
    if read_xml_call(call) == TRIAL:
        return lambda tools: lambda text: read_xml_call(text, tools)
    return None
