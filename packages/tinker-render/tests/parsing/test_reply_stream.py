"""A reply in pieces is the reply."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinker_core import CutShort, Malformed, Reply, ToolCall
from tinker_render import TextDelta, ThinkingDelta, ToolCallDelta
from tinker_render.registry import FORMATS

SAID = [
    *("a", " b", "\n", "\n\n", " ", "東京", "é🙂", "\n\nUser", ":", "</think", '{"name": "f"}'),
    *("<function=f>\n</function>\n", "to=functions.f", "analysis", "final", "functions.f:0", "{}"),
    '{"name": "f", "arguments": {"x": "ü"}}',
]
"""What models say, well formed or not."""

QWEN = (
    "<think>\nWell,\n</think>\n\nI look.\n"
    "<tool_call>\n{}\n</tool_call>\n<tool_call>\n{}\n</tool_call>"
)
CALL = '{"name": "f", "arguments": {"x": 1}}'


def joined(deltas):
    """Reasoning, text and calls of many deltas."""
    return (
        "".join(delta.thinking for delta in deltas if isinstance(delta, ThinkingDelta)),
        "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)),
        [delta.call for delta in deltas if isinstance(delta, ToolCallDelta)],
    )


def read(message):
    return message.thinking, message.text, [*message.tool_calls, *message.unparsed_tool_calls]


def tokens_of(renderer, parts):
    """Texts as the tokenizer has them; a control token by its name."""
    ids = renderer.codec.ids
    return [
        token
        for part in parts
        for token in ([ids[part]] if part in ids else renderer.codec.encode_all([part])[part])
    ]


@pytest.mark.parametrize("name", sorted(FORMATS))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_deltas_together_are_what_parse_response_reads(renderer_of, name, data):
    renderer = renderer_of(name)
    markers = [m for m in renderer.codec.ids if m in renderer.format.control_tokens]
    part = st.one_of(st.sampled_from(SAID), st.sampled_from([*markers, *renderer.format.stop]))
    parts = data.draw(st.lists(part, max_size=9))
    tokens = tokens_of(renderer, parts)
    tokens = tokens[: data.draw(st.integers(0, len(tokens)))]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(tokens)), max_size=len(tokens))))
    stream = renderer.reply_stream()
    deltas = []
    for start, stop in zip([0, *cuts], [*cuts, len(tokens)], strict=True):
        deltas += stream.feed(tokens[start:stop])
    rest, outcome = stream.finish()
    assert outcome == renderer.parse_response(tokens)
    assert joined([*deltas, *rest]) == read(outcome.message)
    *one_by_one, last = renderer.parse_response_streaming(tokens)
    assert last == outcome
    assert joined(one_by_one) == read(outcome.message)


def test_each_part_comes_when_it_is_there(renderer_of):
    renderer = renderer_of("qwen3")
    text = QWEN.format(CALL, CALL.replace("1", "2"))
    stream, deltas = renderer.reply_stream(), []
    for token in renderer.tokenizer.encode(text, add_special_tokens=False):
        deltas += stream.feed([token])
    assert joined(deltas) == (
        "Well,",
        "I look.",
        [ToolCall(name="f", arguments=f'{{"x": {n}}}') for n in (1, 2)],
    )
    assert stream.finish()[0] == []


def test_half_a_character_is_held_back(renderer_of):
    renderer = renderer_of("qwen3")
    tokens = renderer.tokenizer.encode("a東b", add_special_tokens=False)
    assert len(tokens) == 5  # the small vocabulary has it in three
    stream = renderer.reply_stream()
    deltas = [stream.feed([token]) for token in tokens]
    assert deltas == [[TextDelta("a")], [], [], [TextDelta("東")], [TextDelta("b")]]


def test_half_a_character_at_the_end_is_shown_as_broken(renderer_of):
    renderer = renderer_of("qwen3")
    *deltas, outcome = renderer.parse_response_streaming(
        renderer.tokenizer.encode("a東", add_special_tokens=False)[:-1]
    )
    assert outcome == CutShort(outcome.message)
    assert joined(deltas)[1] == outcome.message.text == "a\ufffd"


def test_the_beginning_of_a_stop_sequence_is_held_back(renderer_of):
    stream = renderer_of("role_colon").reply_stream()
    tokens = renderer_of("role_colon").tokenizer.encode
    assert stream.feed(tokens(" Hi\n\nUse")) == [TextDelta("Hi")]
    assert stream.feed(tokens("d")) == [TextDelta("\n\nUsed")]
    assert stream.feed(tokens("\n\nUser:")) == []
    assert isinstance(stream.finish()[1], Reply)


def test_text_is_held_back_while_it_may_be_reasoning(renderer_of):
    renderer = renderer_of("deepseekv3_thinking")
    encode = renderer.tokenizer.encode
    stream = renderer.reply_stream()
    assert stream.feed(encode("hm", add_special_tokens=False)) == []
    assert stream.feed([renderer.codec.ids["</think>"]]) == [ThinkingDelta("hm")]
    assert stream.feed(encode("4", add_special_tokens=False)) == [TextDelta("4")]


def test_what_follows_the_end_of_the_turn_is_no_delta(renderer_of):
    renderer = renderer_of("chatml_plain")
    stream = renderer.reply_stream()
    assert stream.feed(renderer.tokenizer.encode("a <|im_end|>")) == [TextDelta("a ")]
    assert stream.feed(renderer.tokenizer.encode("b")) == []
    rest, outcome = stream.finish()
    assert rest == []
    assert isinstance(outcome, Malformed)


def test_a_call_that_is_none_comes_at_the_end(renderer_of):
    renderer = renderer_of("qwen3")
    tokens = renderer.tokenizer.encode(QWEN.format("f(1)", CALL), add_special_tokens=False)
    *deltas, outcome = renderer.parse_response_streaming(tokens)
    calls = joined(deltas)[2]
    assert calls == [*outcome.message.tool_calls, *outcome.message.unparsed_tool_calls]
    assert calls[1].text == "\nf(1)\n"
