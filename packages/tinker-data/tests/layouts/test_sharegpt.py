"""ShareGPT as LLaMA-Factory and axolotl extend it."""

import json

import pytest

from tinker_core import DataError, ToolCall
from tinker_data import Place, RawRow, read_conversation

HUMAN = {"from": "human", "value": "Hi"}


def messages(*turns, **row):
    value = {"conversations": list(turns), **row}
    place = Place(file="rows.jsonl", row=7)
    return read_conversation(RawRow(content=value, place=place)).messages


def test_a_system_prompt_beside_the_turns_is_not_lost():
    read = messages(HUMAN, {"from": "gpt", "value": "Ho"}, system="Be kind.")
    assert (read[0].role, read[0].text) == ("system", "Be kind.")


@pytest.mark.parametrize(
    "answer",
    [
        {"from": "gpt", "value": "Hello"},
        {"role": "assistant", "content": "Hello"},
        {"role": "gpt", "value": "Hello"},
        {"from": "assistant", "content": "Hello"},
        {"from": "chatgpt", "value": "Hello", "id": 1, "name": None},
    ],
)
def test_a_turn_has_several_spellings(answer):
    read = messages(HUMAN, answer)
    assert [(m.role, m.text) for m in read] == [("user", "Hi"), ("assistant", "Hello")]


@pytest.mark.parametrize("weight", [{"weight": 0}, {"trainable": False}, {"train": False}])
def test_a_turn_of_weight_0_is_not_trained_on(weight):
    read = messages(HUMAN, {"from": "gpt", "value": "BAD", **weight}, {"from": "gpt", "value": "b"})
    assert [message.trainable for message in read] == [None, False, None]


@pytest.mark.parametrize("many", [False, True])
def test_a_function_call_is_a_tool_call_and_an_observation_its_result(many):
    call = {"name": "add", "arguments": {"a": 1}}
    value = json.dumps([call] if many else call)
    asked, called, seen, _ = messages(
        HUMAN,
        {"from": "function_call", "value": value},
        {"from": "observation", "value": "2"},
        {"from": "gpt", "value": "2"},
    )
    assert asked.text == "Hi"
    assert (called.role, called.content) == ("assistant", ())
    assert called.tool_calls == (ToolCall(name="add", arguments='{"a": 1}'),)
    assert (seen.role, seen.text) == ("tool", "2")


@pytest.mark.parametrize(
    ("turn", "problem"),
    [
        ({"from": "gpt", "value": "a", "mood": 1}, r"conversations\[1\]: unknown key 'mood'"),
        ({"from": "gpt", "value": "a", "train_detail": []}, "unknown key 'train_detail'"),
        ({"from": "gpt", "value": "a", "content": "b"}, "both 'value' and 'content'"),
        ({"from": "gpt", "role": "user", "value": "a"}, r"conversations\[1\]: both"),
        ({"from": "narrator", "value": "a"}, r"conversations\[1\]: a turn is"),
        (
            {"from": "function_call", "value": "add(1)"},
            "the call of a function_call turn: not JSON",
        ),
        ({"from": "function_call", "value": '{"name": "f", "parameters": {}}'}, "'parameters'"),
        ({"from": "function_call", "value": "[]"}, "has content or tool calls"),
        (
            {"from": "function_call", "value": '{"name": "f"}', "tool_calls": [{"name": "g"}]},
            "'tool_calls' beside its value",
        ),
        ({"from": "gpt"}, "has content or tool calls"),
        ({"from": "gpt", "value": None}, "has content or tool calls"),
        ({"from": "gpt", "value": "a", "train": "yes"}, "must be true, false"),
        ("hello", r"conversations\[1\]: a turn is"),
    ],
)
def test_a_turn_that_cannot_be_used_says_where_and_why(turn, problem):
    with pytest.raises(DataError, match=rf"rows\.jsonl:7: .*({problem})"):
        messages(HUMAN, turn, {"from": "gpt", "value": "b"})
