"""Tool calls as `<function=NAME>` with one `<parameter=KEY>` an argument, as Qwen3.5 has them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from tinker_core import Message, ToolCall, ToolSpec, UnparsedToolCall
from tinker_render.format.message_text import refuse
from tinker_render.tools.json_calls import to_json

_FUNCTION = re.compile(r"\s*<function=([^>\n]+)>\n(.*)</function>\s*", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=([^>\n]+)>\n(.*?)\n</parameter>\n", re.DOTALL)
_PYTHON = {"True": True, "False": False, "None": None}

EXAMPLE = (
    "\n\nIf you choose to call a function ONLY reply in the following format with NO suffix:\n\n"
    "<tool_call>\n<function=example_function_name>\n<parameter=example_parameter_1>\nvalue_1\n"
    "</parameter>\n<parameter=example_parameter_2>\nThis is the value for the second parameter\n"
    "that can span\nmultiple lines\n</parameter>\n</function>\n</tool_call>\n\n<IMPORTANT>\n"
    "Reminder:\n- Function calls MUST follow the specified format: an inner <function=...>"
    "</function> block must be nested within <tool_call></tool_call> XML tags\n"
    "- Required parameters MUST be specified\n- You may provide optional reasoning for your"
    " function call in natural language BEFORE the function call, but NOT after\n- If there is no"
    " function call available, answer the question like normal with your current knowledge and do"
    " not tell the user about function calls\n</IMPORTANT>"
)
"""What the vendors' templates tell the model about the notation."""


def xml_call(index: int, message: Message, call: ToolCall, *, python_words: bool) -> str:
    """The call; scalars as Python writes them (`True`, `None`) or as JSON does.

    Raises RenderError where the arguments hold the notation itself and would be read otherwise.
    """
    values = {key: _as_text(value, python_words) for key, value in call.parsed_arguments.items()}
    parameters = (f"<parameter={key}>\n{text}\n</parameter>\n" for key, text in values.items())
    written = f"<function={call.name}>\n{''.join(parameters)}</function>"
    if _parts(written) != (call.name, values):
        raise refuse(index, message, f"a call of {call.name!r} that reads otherwise once written")
    return written


def read_xml_call(text: str, tools: Sequence[ToolSpec] = ()) -> ToolCall | UnparsedToolCall:
    """The inverse of `xml_call`.

    The notation does not tell "5" from 5. A parameter that its tool declares as a string stays
    one; any other is what JSON or Python reads in it, if either reads anything.
    """
    parts = _parts(text)
    if parts is None:
        return UnparsedToolCall(text=text, reason="not <function=...> with <parameter=...> in it")
    name, values = parts
    declared = next((tool.parameters for tool in tools if tool.name == name), {})
    properties = declared.get("properties", {})
    arguments = {
        key: value if properties.get(key, {}).get("type") == "string" else _as_value(value)
        for key, value in values.items()
    }
    return ToolCall(name=name, arguments=to_json(arguments))


def _parts(text: str) -> tuple[str, dict[str, str]] | None:
    function = _FUNCTION.fullmatch(text)
    if function is None or _PARAMETER.sub("", function[2]).strip():
        return None
    return function[1], {match[1]: match[2] for match in _PARAMETER.finditer(function[2])}


def _as_text(value: Any, python_words: bool) -> str:
    if isinstance(value, str):
        return value
    scalar = not isinstance(value, dict | list)
    return str(value) if scalar and python_words else to_json(value)


def _as_value(text: str) -> Any:
    if text in _PYTHON:
        return _PYTHON[text]
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return text
    return text if isinstance(value, str) else value
