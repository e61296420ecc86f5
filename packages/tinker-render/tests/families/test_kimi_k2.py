"""Kimi K2: the ids of calls."""

import pytest


@pytest.mark.parametrize("name", ["kimi_k2", "kimi_k25"])
def test_kimi_counts_calls_and_finds_the_one_that_is_answered(renderer_of, name):
    def call(id_, tool):
        return {"id": id_, "type": "function", "function": {"name": tool, "arguments": "{}"}}

    messages = [
        {"role": "user", "content": "one"},
        {"role": "assistant", "tool_calls": [call("a", "f"), call("b", "g")]},
        {"role": "tool", "content": "2", "tool_call_id": "b"},
        {"role": "tool", "content": "1", "tool_call_id": "a"},
        {"role": "assistant", "tool_calls": [call(None, "f")]},
        {"role": "tool", "content": "3"},
        {"role": "tool", "content": "late", "tool_call_id": "b"},
        {"role": "tool", "content": "of none"},
    ]
    text = renderer_of(name).tokenizer.decode(renderer_of(name).render(messages).tokens)
    returns = [part.split("\n")[0] for part in text.split("## Return of ")[1:]]
    calls = ["functions.g:1", "functions.f:0", "functions.f:2", "functions.g:1"]
    assert returns == [*calls, "functions.unknown:3"]
