"""A turn of the model taken apart."""

from tinker_core import Malformed, Reply

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


def test_each_of_several_calls_is_read_by_itself(renderer_of):
    renderer = renderer_of("qwen3")
    calls = "\n".join(f'<tool_call>\n{{"name": "{name}"}}\n</tool_call>' for name in "fg")
    outcome = renderer.parse_response(renderer.tokenizer.encode(f"{calls}<|im_end|>"))
    assert isinstance(outcome, Reply)
    assert [call.name for call in outcome.message.tool_calls] == ["f", "g"]
