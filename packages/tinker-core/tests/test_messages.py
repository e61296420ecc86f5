"""Messages at the door: the OpenAI chat format in, frozen values inside, named errors otherwise."""

import pytest

from tinker_core import (
    DataError,
    ImagePart,
    Message,
    TextPart,
    ThinkingPart,
    ToolCall,
    as_conversation,
    as_message,
    to_openai,
)


def test_a_string_becomes_one_text_part_and_empty_text_becomes_none() -> None:
    assert Message(role="user", content="hi").content == (TextPart("hi"),)
    assert Message(role="user", content="").content == ()


def test_text_and_thinking_are_told_apart() -> None:
    message = as_message({"role": "assistant", "content": "4", "reasoning_content": "2+2"})
    assert message.content == (ThinkingPart("2+2"), TextPart("4"))
    assert (message.text, message.thinking) == ("4", "2+2")


def test_every_part_of_the_openai_format_is_read() -> None:
    message = as_message(
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
                {"type": "image", "image": b"png"},
                {"type": "thinking", "thinking": "hm"},
            ],
        }
    )
    assert message.content == (
        TextPart("look"),
        ImagePart("data:image/png;base64,AA=="),
        ImagePart(b"png"),
        ThinkingPart("hm"),
    )


def test_tool_calls_are_read_with_arguments_as_text_or_as_an_object() -> None:
    function = {"name": "add", "arguments": '{"a": 1}'}
    message = as_message(
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "1", "type": "function", "function": function},
                {"type": "function", "function": {"name": "add", "arguments": {"a": "é"}}},
            ],
        }
    )
    assert message.tool_calls[0] == ToolCall(name="add", arguments='{"a": 1}', id="1")
    assert message.tool_calls[1].parsed_arguments == {"a": "é"}
    assert message.tool_calls[1].arguments == '{"a": "é"}'  # as the vendors' templates write it


def test_the_openai_format_survives_a_round_trip() -> None:
    value = {
        "role": "assistant",
        "content": "calling",
        "reasoning_content": "must add",
        "tool_calls": [
            {"type": "function", "function": {"name": "add", "arguments": "{}"}, "id": "x"}
        ],
    }
    assert to_openai(as_message(value)) == value


@pytest.mark.parametrize(
    ("value", "field", "problem"),
    [
        ({"role": "robot", "content": "x"}, "message.role", "unknown role 'robot'"),
        ({"content": "x"}, "message.role", "unknown role None"),
        ({"role": "user", "content": 3}, "message.content", "must be a string or a list"),
        ({"role": "user", "content": [{"type": "text"}]}, "message.content[0]", "not a text"),
        ({"role": "user", "text": "x"}, "message", "unknown key 'text'"),
        ({"role": "user", "content": "x", "weight": 2}, "message.weight", "0 or 1"),
        ("hi", "message", "a message is a dictionary"),
        (
            {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]},
            "message.tool_calls[0].function.arguments",
            "not JSON",
        ),
        (
            {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "[]"}}]},
            "message.tool_calls[0].function.arguments",
            "not a JSON object",
        ),
    ],
)
def test_an_error_names_the_field_and_the_value(value: object, field: str, problem: str) -> None:
    with pytest.raises(DataError) as caught:
        as_message(value)  # type: ignore[arg-type]
    assert caught.value.field == field
    assert problem in caught.value.problem


def test_a_conversation_names_the_message_that_is_wrong() -> None:
    with pytest.raises(DataError, match=r"messages\[1\]\.role: unknown role"):
        as_conversation([{"role": "user", "content": "x"}, {"role": "bot", "content": "y"}])


def test_a_conversation_without_messages_is_refused() -> None:
    with pytest.raises(DataError, match="at least one message"):
        as_conversation([])
    with pytest.raises(DataError, match="list of messages"):
        as_conversation("hello")  # type: ignore[arg-type]


def test_a_message_checks_itself() -> None:
    with pytest.raises(ValueError, match="role"):
        Message(role="robot", content="x")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Message(role="user", content=[3])  # type: ignore[list-item]
