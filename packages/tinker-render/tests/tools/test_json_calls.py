"""Tool calls as JSON and back."""

import pytest

from tinker_core import DataError, ToolCall, ToolSpec, as_tools
from tinker_render.tools.json_calls import read_json_call

WEATHER = ToolSpec(
    name="weather", parameters={"type": "object", "properties": {"zip": {"type": "string"}}}
)


def test_arguments_of_a_json_call_are_kept_to_the_letter():
    text = '{"arguments": {"a":1,  "b": "\\"arguments\\": {}"}, "name": "f"}'
    call = read_json_call(text)
    assert call == ToolCall(name="f", arguments='{"a":1,  "b": "\\"arguments\\": {}"}')


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": 1}', '{"name": "f", "arguments": []}'])
def test_what_is_no_json_call_keeps_its_text_and_the_reason(text):
    call = read_json_call(text)
    assert (call.text, bool(call.reason)) == (text, True)


def test_a_bad_tool_is_named():
    with pytest.raises(DataError, match=r"tools\[1\]: unknown key 'params'"):
        as_tools([WEATHER, {"name": "f", "params": {}}])
