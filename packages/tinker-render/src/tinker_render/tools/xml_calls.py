"""Tool calls as XML: `<function=NAME>` with one `<parameter=KEY>` per argument, as in Qwen3.5."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tinker_core import Message, ToolCall, ToolSpec, UnparsedToolCall
from tinker_render.format.message_text import refuse
from tinker_render.tools.arguments import WriteValue, read_arguments, written_arguments

_FUNCTION = re.compile(r"\s*<function=([^<>\s]+)>\n(.*)</function>\s*", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=([^<>\n]+)>\n(.*?)\n</parameter>\n", re.DOTALL)

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
"""The instructions about the notation in the templates of the vendors."""


def xml_call(index: int, message: Message, call: ToolCall, write: WriteValue) -> str:
    """The call with its argument values by `write`.

    Raises RenderError for names and values that contain the notation and would be read otherwise.
    """
    texts = written_arguments(index, message, call, write)
    parameters = (f"<parameter={key}>\n{text}\n</parameter>\n" for key, text in texts.items())
    written = f"<function={call.name}>\n{''.join(parameters)}</function>"
    if _name_and_texts(written) != (call.name, texts):
        raise refuse(
            index, message, f"XML has no form for this call of {call.name!r}: {texts!r:.80}"
        )
    return written


def read_xml_call(
    text: str, tools: Sequence[ToolSpec], write: WriteValue
) -> ToolCall | UnparsedToolCall:
    """The inverse of `xml_call`."""
    parts = _name_and_texts(text)
    if parts is None:
        reason = "not <function=NAME> with one <parameter=KEY> per argument"
        return UnparsedToolCall(text=text, reason=reason)
    name, texts = parts
    return ToolCall(name=name, arguments=read_arguments(name, texts, tools, write))


def _name_and_texts(text: str) -> tuple[str, dict[str, str]] | None:
    function = _FUNCTION.fullmatch(text)
    if function is None or _PARAMETER.sub("", function[2]).strip():
        return None
    pairs = _PARAMETER.findall(function[2])
    texts = dict(pairs)
    return (function[1], texts) if len(texts) == len(pairs) else None
