"""Tool calls as text and back."""

import json

import pytest

from tinker_core import DataError, Malformed, Message, RenderError, Reply, ToolCall, ToolSpec
from tinker_render.calls import as_tools, read_json_call
from tinker_render.xml_calls import read_xml_call, xml_call

WEATHER = ToolSpec(
    name="weather", parameters={"type": "object", "properties": {"zip": {"type": "string"}}}
)
MESSAGE = Message(role="assistant")


def test_arguments_of_a_json_call_are_kept_to_the_letter():
    text = '{"arguments": {"a":1,  "b": "\\"arguments\\": {}"}, "name": "f"}'
    call = read_json_call(text)
    assert call == ToolCall(name="f", arguments='{"a":1,  "b": "\\"arguments\\": {}"}')


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": 1}', '{"name": "f", "arguments": []}'])
def test_what_is_no_json_call_keeps_its_text_and_the_reason(text):
    call = read_json_call(text)
    assert (call.text, bool(call.reason)) == (text, True)


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


def test_a_bad_tool_is_named():
    with pytest.raises(DataError, match=r"tools\[1\]: unknown key 'params'"):
        as_tools([WEATHER, {"name": "f", "params": {}}])


QWEN = "<tool_call>\n{}\n</tool_call>{}<|im_end|>"


def test_a_call_that_is_none_is_malformed_and_kept(renderer_of):
    renderer = renderer_of("qwen3")
    tokens = renderer.tokenizer.encode("Wait." + QWEN.format("{oops}", ""))
    outcome = renderer.parse_response(tokens)
    assert isinstance(outcome, Malformed)
    assert outcome.message.text == "Wait."
    assert outcome.message.unparsed_tool_calls[0].text == "\n{oops}\n"


def test_text_after_a_call_is_malformed(renderer_of):
    renderer = renderer_of("qwen3")
    tokens = renderer.tokenizer.encode(QWEN.format('{"name": "f"}', "\nmore"))
    outcome = renderer.parse_response(tokens)
    assert isinstance(outcome, Malformed)
    assert (outcome.message.tool_calls[0].name, outcome.message.text) == ("f", "\nmore")


def test_a_call_that_does_not_end_is_malformed(renderer_of):
    renderer = renderer_of("qwen3")
    outcome = renderer.parse_response(renderer.tokenizer.encode('<tool_call>\n{"name<|im_end|>'))
    assert isinstance(outcome, Malformed)
    assert "does not end" in outcome.reason


def test_reasoning_that_does_not_end_is_malformed(renderer_of):
    renderer = renderer_of("qwen3")
    outcome = renderer.parse_response(renderer.tokenizer.encode("<think>\nhm<|im_end|>"))
    assert isinstance(outcome, Malformed)
    assert outcome.message.thinking == "hm"


@pytest.mark.parametrize(
    "form",
    [
        " to=functions.f<|channel|>commentary json<|message|>{}<|call|>",
        "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|>",
    ],
)
def test_gpt_oss_names_the_tool_on_either_side_of_the_channel(renderer_of, form):
    renderer = renderer_of("gpt_oss_medium_reasoning")
    outcome = renderer.parse_response(renderer.tokenizer.encode(form))
    assert isinstance(outcome, Reply)
    assert outcome.message.tool_calls == (ToolCall(name="f"),)


def test_a_call_of_gpt_oss_without_arguments_is_malformed(renderer_of):
    renderer = renderer_of("gpt_oss_medium_reasoning")
    outcome = renderer.parse_response(renderer.tokenizer.encode(" to=functions.f<|call|>"))
    assert isinstance(outcome, Malformed)
    assert outcome.message.unparsed_tool_calls[0].reason == "no arguments"


def test_each_of_several_calls_is_read_by_itself(renderer_of):
    renderer = renderer_of("qwen3")
    calls = "\n".join(f'<tool_call>\n{{"name": "{name}"}}\n</tool_call>' for name in "fg")
    outcome = renderer.parse_response(renderer.tokenizer.encode(f"{calls}<|im_end|>"))
    assert isinstance(outcome, Reply)
    assert [call.name for call in outcome.message.tool_calls] == ["f", "g"]
