"""Tool calls in a chat template: the form that it takes, and the notation that it writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from tinker_core import Message, ToolCall, ToolSpec, UnparsedToolCall
from tinker_render.tools.arguments import write_json, write_python
from tinker_render.tools.json_calls import read_json_call
from tinker_render.tools.xml_calls import read_xml_call

BOUNDS = ("<tool_call>", "</tool_call>")
TRIAL_CALL = ToolCall(name="lookup", arguments='{"place": "Rome", "near": true}')
TRIAL_TOOL = ToolSpec(
    name="lookup",
    description="Look up.",
    parameters={
        "type": "object",
        "properties": {
            "place": {"type": "string", "description": "Where"},
            "near": {"type": "boolean", "description": "Near"},
        },
        "required": ["place"],
    },
)

ReadCall = Callable[[str], ToolCall | UnparsedToolCall]
Readers = Callable[[Sequence[ToolSpec]], ReadCall]


def call_dicts(message: Message, show: Callable[[str], str]) -> list[dict[str, Any]]:
    """The calls as templates take them; `show` replaces each name and each string in an argument.

    Arguments are dictionaries whose keys stay. The strings come in the order of the call.
    """
    return [
        {
            "type": "function",
            **({"id": call.id} if call.id else {}),
            "function": {
                "name": show(call.name),
                "arguments": _shown(call.parsed_arguments, show),
            },
        }
        for call in message.tool_calls
    ]


def strings_of(message: Message) -> list[str]:
    """The strings that `call_dicts` shows, in order."""
    strings: list[str] = []

    def show(string: str) -> str:
        strings.append(string)
        return string

    call_dicts(message, show)
    return strings


def _shown(value: Any, show: Callable[[str], str]) -> Any:
    match value:
        case str() if value:
            return show(value)
        case dict():
            return {key: _shown(inner, show) for key, inner in value.items()}
        case list():
            return [_shown(inner, show) for inner in value]
    return value


def readers_of(written: str) -> Readers | None:
    """The reader of the notation in which a template has written `TRIAL_CALL`; None if unknown.

    Known are JSON and XML between `<tool_call>` and `</tool_call>`.
    """
    call = written.partition(BOUNDS[0])[2].partition(BOUNDS[1])[0]
    if _is_trial(read_json_call(call)):
        return lambda tools: read_json_call
    for write in (write_json, write_python):
        read = partial(read_xml_call, write=write)
        if _is_trial(read(call, ())):
            return partial(_with_tools, read)
    return None


def _with_tools(read: Callable[..., Any], tools: Sequence[ToolSpec]) -> ReadCall:
    return lambda text: read(text, tools)


def _is_trial(call: ToolCall | UnparsedToolCall) -> bool:
    return (
        isinstance(call, ToolCall)
        and call.name == TRIAL_CALL.name
        and call.parsed_arguments == TRIAL_CALL.parsed_arguments
    )
