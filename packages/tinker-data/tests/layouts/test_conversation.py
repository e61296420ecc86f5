"""Training rows in their usual shapes."""

import pytest

from tinker_core import DataError, ToolCall
from tinker_data import Place, RawRow, read_conversation

PLACE = Place(file="rows.jsonl", row=7)


def said(value, layout=None):
    conversation = read_conversation(RawRow(content=value, place=PLACE), layout)
    return [(message.role, message.text) for message in conversation.messages]


def problem(value, layout=None):
    with pytest.raises(DataError) as caught:
        said(value, layout)
    return str(caught.value)


def test_openai_messages_are_read_with_their_tools():
    call = {"type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}, "id": "c"}
    tool = {"type": "function", "function": {"name": "add", "description": "Adds."}}
    value = {
        "messages": [
            {"role": "user", "content": "1+1?"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "2"},
            {"role": "assistant", "content": "2"},
        ],
        "tools": [tool],
    }
    conversation = read_conversation(RawRow(content=value))
    assert conversation.messages[1].tool_calls == (
        ToolCall(name="add", arguments='{"a": 1}', id="c"),
    )
    assert conversation.tools[0].name == "add"
    assert conversation.tools[0].description == "Adds."


def test_a_row_with_tool_calls_changes_no_other_row():
    # Arrow gives every row of a table the keys of any; rows of our own stay as they are
    assert said({"messages": [{"role": "assistant", "content": "plain"}]}) == [
        ("assistant", "plain")
    ]


def test_sharegpt_speakers_become_roles():
    turns = [
        {"from": "system", "value": "Be brief."},
        {"from": "human", "value": "Hi"},
        {"from": "gpt", "value": "Hello"},
    ]
    assert said({"conversations": turns}) == [
        ("system", "Be brief."),
        ("user", "Hi"),
        ("assistant", "Hello"),
    ]


def test_alpaca_joins_instruction_and_input():
    assert said({"instruction": "Translate.", "input": "chat", "output": "cat"}) == [
        ("user", "Translate.\n\nchat"),
        ("assistant", "cat"),
    ]
    assert said({"instruction": "Say hi.", "input": "", "output": "hi"})[0] == ("user", "Say hi.")


def test_prompt_and_completion_are_text_or_messages():
    assert said({"prompt": "2+2=", "completion": "4"}) == [("user", "2+2="), ("assistant", "4")]
    messages = {
        "prompt": [{"role": "user", "content": "2+2="}],
        "completion": [{"role": "assistant", "content": "4"}],
    }
    assert said(messages) == [("user", "2+2="), ("assistant", "4")]


def test_a_row_of_no_known_layout_names_its_keys_and_the_layouts():
    text = problem({"text": "once upon a time"})
    assert text.startswith("rows.jsonl:7: no known layout has the keys ['text']")
    assert "sharegpt" in text


def test_a_named_layout_that_does_not_fit_says_what_is_missing():
    assert problem({"messages": []}, "alpaca") == (
        "rows.jsonl:7: instruction: missing; the row has ['messages']"
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["not", "an", "object"], "rows.jsonl:7: a row is a JSON object"),
        ({"messages": "hello"}, "rows.jsonl:7: messages: a conversation is a list of messages"),
        ({"messages": []}, "rows.jsonl:7: messages: a conversation needs at least one message"),
        (
            {"messages": [{"role": "user", "content": "hi"}]},
            "rows.jsonl:7: messages: no assistant message to learn from",
        ),
        (
            {"messages": [{"role": "robot", "content": "hi"}]},
            "rows.jsonl:7: messages[0].role: unknown role 'robot'",
        ),
        (
            {"messages": [{"role": "user", "content": 3}]},
            "rows.jsonl:7: messages[0].content: must be a string",
        ),
        ({"conversations": "hi"}, "rows.jsonl:7: conversations: must be a list of turns"),
        ({"conversations": [{"from": "me"}]}, "rows.jsonl:7: conversations[0]: a turn is"),
        ({"instruction": "Say hi."}, "rows.jsonl:7: output: must be a string, not None"),
        ({"completion": "4"}, "rows.jsonl:7: prompt: must be a string, not None"),
        (
            {"messages": [{"role": "assistant", "content": "a"}], "tools": [{"x": 1}]},
            "rows.jsonl:7: tools[0]: not a function with a name",
        ),
    ],
)
def test_a_row_that_cannot_be_used_says_where_and_why(value, expected):
    assert problem(value).startswith(expected)
