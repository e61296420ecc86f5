"""Messages as values that check themselves."""

import pytest

from tinker_core import (
    DataError,
    Message,
    TextPart,
    ThinkingPart,
    ToolCall,
    ToolSpec,
    strip_reasoning,
)


def test_a_string_becomes_one_text_part_and_empty_text_becomes_none() -> None:
    assert Message(role="user", content="hi").content == (TextPart("hi"),)
    assert Message(role="user", content="").content == ()


def test_a_message_checks_itself() -> None:
    with pytest.raises(ValueError, match="role"):
        Message(role="robot", content="x")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Message(role="user", content=[3])  # type: ignore[list-item]


@pytest.mark.parametrize(
    "make",
    [
        lambda text: TextPart(text),
        lambda text: ThinkingPart(text),
        lambda text: Message(role="user", content=text),
        lambda text: Message(role="tool", name=text),
        lambda text: Message(role="tool", tool_call_id=text),
        lambda text: ToolCall(name=text),
        lambda text: ToolCall(name="f", arguments=f'{{"a": "{text}"}}'),
        lambda text: ToolSpec(name=text),
        lambda text: ToolSpec(name="f", description=text),
        lambda text: ToolSpec(name="f", parameters={text: 1}),
        lambda text: ToolSpec(name="f", parameters={"a": [text]}),
    ],
)
def test_text_without_a_utf8_form_is_refused_everywhere(make) -> None:
    make("a\U0001f600")
    with pytest.raises(DataError, match="surrogate"):
        make("a\ud83d")


@pytest.mark.parametrize("parameters", [True, False, {}, {"$ref": "#"}, {"type": ["string"]}])
def test_any_json_schema_describes_parameters(parameters) -> None:
    assert ToolSpec(name="f", parameters=parameters).parameters == parameters


@pytest.mark.parametrize("parameters", [None, [], "{}", {"a": {1, 2}}, {"a": b""}, {1: "a"}])
def test_what_is_not_a_json_schema_is_refused(parameters) -> None:
    with pytest.raises(DataError):
        ToolSpec(name="f", parameters=parameters)


def test_empty_arguments_are_an_empty_object() -> None:
    assert ToolCall(name="f", arguments=" ").arguments == "{}"


def test_reasoning_can_be_stripped() -> None:
    messages = [Message(role="assistant", content=[ThinkingPart("hm"), TextPart("4")])]
    assert strip_reasoning(messages) == (Message(role="assistant", content="4"),)
