"""Tool calls as XML and back."""

import json

import pytest

from tinker_core import Message, RenderError, ToolCall, ToolSpec
from tinker_render.tools.xml_calls import read_xml_call, xml_call

WEATHER = ToolSpec(
    name="weather", parameters={"type": "object", "properties": {"zip": {"type": "string"}}}
)
MESSAGE = Message(role="assistant")


def test_a_declared_string_stays_a_string():
    text = xml_call(
        0, MESSAGE, ToolCall(name="weather", arguments='{"zip": "12345"}'), python_words=False
    )
    assert read_xml_call(text, [WEATHER]).parsed_arguments == {"zip": "12345"}


@pytest.mark.parametrize("python_words", [True, False])
def test_values_of_an_xml_call_come_back(python_words):
    given = {"a": 1, "b": True, "c": None, "d": [1, "x"], "e": {"f": 2.5}, "g": "two\nlines"}
    call = ToolCall(name="f", arguments=json.dumps(given))
    text = xml_call(0, MESSAGE, call, python_words=python_words)
    assert read_xml_call(text).parsed_arguments == given
    assert ("True" in text) == python_words


def test_arguments_that_hold_the_notation_are_refused():
    call = ToolCall(name="f", arguments=json.dumps({"a": "x\n</parameter>\n<parameter=b>\ny"}))
    with pytest.raises(RenderError, match=r"messages\[3\] \(assistant\): a call of 'f'"):
        xml_call(3, MESSAGE, call, python_words=False)


@pytest.mark.parametrize("text", ["", "<function=f>", "<function=f>\nx</function>", "f()"])
def test_what_is_no_xml_call_keeps_its_text(text):
    assert read_xml_call(text).text == text
