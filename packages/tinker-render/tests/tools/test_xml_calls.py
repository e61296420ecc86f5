"""Tool calls as XML and back."""

import json

import pytest

from tinker_core import Message, RenderError, ToolCall, ToolSpec
from tinker_render.tools.arguments import write_json, write_python
from tinker_render.tools.xml_calls import read_xml_call, xml_call

WEATHER = ToolSpec(
    name="weather", parameters={"type": "object", "properties": {"zip": {"type": "string"}}}
)
MESSAGE = Message(role="assistant")


def test_a_declared_string_stays_a_string():
    text = xml_call(0, MESSAGE, ToolCall(name="weather", arguments='{"zip": "12345"}'), write_json)
    assert read_xml_call(text, [WEATHER], write_json).parsed_arguments == {"zip": "12345"}


@pytest.mark.parametrize("write", [write_python, write_json])
def test_values_of_an_xml_call_come_back(write):
    given = {"a": 1, "b": True, "c": None, "d": [1, "x"], "e": {"f": 2.5}, "g": "two\nlines"}
    call = ToolCall(name="f", arguments=json.dumps(given))
    text = xml_call(0, MESSAGE, call, write)
    assert read_xml_call(text, (), write).parsed_arguments == given
    assert ("True" in text) == (write is write_python)


def test_arguments_that_hold_the_notation_are_refused():
    call = ToolCall(name="f", arguments=json.dumps({"a": "x\n</parameter>\n<parameter=b>\ny"}))
    with pytest.raises(
        RenderError, match=r"messages\[3\] \(assistant\): XML has no form for this call of 'f'"
    ):
        xml_call(3, MESSAGE, call, write_json)


@pytest.mark.parametrize("text", ["", "<function=f>", "<function=f>\nx</function>", "f()"])
def test_what_is_no_xml_call_keeps_its_text(text):
    assert read_xml_call(text, (), write_json).text == text
