"""Argument values as bare text, in notations that do not mark the type of a value.

The notation does not tell the string "5" from the number 5. A parameter whose schema allows a
string is read as a string. Other text is read as a JSON value only if writing this value gives the
same text again, so that a parsed call renders to the text that the model emitted. An array or
object whose schema allows no string is read in any spelling.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tinker_core import Message, ToolCall, ToolSpec
from tinker_core.strict_json import JsonError, parse_json, to_json
from tinker_render.format.message_text import refuse
from tinker_render.tools.json_schema import allows_string, property_schema

WriteValue = Callable[[Any], str]

_PYTHON_WORDS = {"True": True, "False": False, "None": None}


def write_json(value: Any) -> str:
    """A string as it is, any other value as JSON."""
    return value if isinstance(value, str) else to_json(value)


def write_python(value: Any) -> str:
    """A string as it is, objects and arrays as JSON, other values as Python: `True`, `None`."""
    return str(value) if not isinstance(value, dict | list) else to_json(value)


def written_arguments(
    index: int, message: Message, call: ToolCall, write: WriteValue
) -> dict[str, str]:
    """The arguments of the call as texts. Raises RenderError for what is not a JSON object."""
    try:
        return {key: write(value) for key, value in call.parsed_arguments.items()}
    except ValueError as error:
        raise refuse(index, message, str(error)) from error


def read_arguments(
    name: str, texts: Mapping[str, str], tools: Sequence[ToolSpec], write: WriteValue
) -> str:
    """The JSON text of the arguments of a call of the tool `name`. The inverse of `write`."""
    root = next((tool.parameters for tool in tools if tool.name == name), {})
    values = {}
    for key, text in texts.items():
        schema = property_schema(root, key)
        if schema is not None and allows_string(schema, root):
            values[key] = text
        else:
            values[key] = _value(text, write, any_spelling=schema is not None)
    return to_json(values)


def _value(text: str, write: WriteValue, *, any_spelling: bool) -> Any:
    try:
        value = _PYTHON_WORDS[text] if text in _PYTHON_WORDS else parse_json(text)
        to_json({"": [value]})  # it is nested less deeply than what can be written
        same = write(value) == text or (any_spelling and isinstance(value, dict | list))
    except JsonError:
        return text
    return value if same else text
