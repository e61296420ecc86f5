"""The Harmony format of gpt-oss."""

import pytest

from tinker_core import Malformed, Reply, ToolCall


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
