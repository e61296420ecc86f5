"""The OpenAI chat format to values and back; every other key or value is refused by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinker_core import (
    DataError,
    ImagePart,
    Message,
    TextPart,
    ThinkingPart,
    ToolCall,
    ToolSpec,
    UnparsedToolCall,
    as_conversation,
    as_message,
    as_tools,
    to_openai,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
PARTS = st.lists(
    TEXT.map(TextPart) | TEXT.map(ThinkingPart) | st.binary(max_size=3).map(ImagePart), max_size=4
)
CALL = st.builds(ToolCall, name=st.just("f"), arguments=st.just('{"a": "é"}'), id=st.none() | TEXT)
MESSAGES = st.builds(
    Message,
    role=st.just("assistant"),
    content=PARTS,
    tool_calls=st.lists(CALL, max_size=2).map(tuple),
    unparsed_tool_calls=st.lists(
        st.builds(UnparsedToolCall, text=TEXT, reason=TEXT), max_size=1
    ).map(tuple),
    tool_call_id=st.none() | TEXT,
    name=st.none() | TEXT,
    trainable=st.none() | st.booleans(),
)


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


@given(message=MESSAGES)
def test_every_message_survives_the_openai_format(message: Message) -> None:
    back = as_message(to_openai(message))
    assert back.thinking == message.thinking
    assert [p for p in back.content if p not in EMPTY] == [
        part for part in message.content if part not in EMPTY
    ]
    for name in ("tool_calls", "unparsed_tool_calls", "tool_call_id", "name", "trainable"):
        assert getattr(back, name) == getattr(message, name)


EMPTY = (TextPart(""), ThinkingPart(""))


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_has_three_names(key: str) -> None:
    message = as_message({"role": "assistant", "content": "4", key: "2+2"})
    assert message.content == (ThinkingPart("2+2"), TextPart("4"))


def test_reasoning_under_two_names_counts_once_and_must_agree() -> None:
    twice = {"role": "assistant", "content": "4", "reasoning": "a", "reasoning_content": "a"}
    assert as_message(twice).thinking == "a"
    with pytest.raises(DataError, match="reasoning_content and reasoning differ"):
        as_message({**twice, "reasoning": "b"})
    with pytest.raises(DataError, match="in a part"):
        as_message({**twice, "content": [{"type": "thinking", "thinking": "a"}]})


def test_the_older_function_call_is_a_tool_call() -> None:
    call = {"name": "add", "arguments": '{"a": 1}'}
    asked, answered = as_conversation(
        [
            {"role": "assistant", "content": None, "function_call": call},
            {"role": "function", "name": "add", "content": "2"},
        ]
    )
    assert asked.tool_calls == (ToolCall(name="add", arguments='{"a": 1}'),)
    assert (answered.role, answered.name, answered.text) == ("tool", "add", "2")


@pytest.mark.parametrize("arguments", ["", "  ", None, {}, "{}"])
def test_a_call_without_parameters_has_many_spellings(arguments: object) -> None:
    call = {"function": {"name": "now", "arguments": arguments}}
    message = as_message({"role": "assistant", "tool_calls": [call]})
    assert message.tool_calls[0].parsed_arguments == {}


def test_keys_without_effect_are_accepted() -> None:
    message = as_message({"role": "user", "content": "x", "id": "m1", "annotations": []})
    assert message == Message(role="user", content="x")


def call_of(**call: object) -> dict[str, object]:
    return {"role": "assistant", "tool_calls": [call]}


@pytest.mark.parametrize(
    ("value", "field", "problem"),
    [
        ({"role": "user", "content": "x", "annotations": [1]}, "m.annotations", "only empty"),
        ({"role": "user", "content": "x", "refusal": "no"}, "m", "unknown key 'refusal'"),
        (call_of(name="f", parameters={"a": 1}), "m.tool_calls[0]", "unknown key 'parameters'"),
        (
            call_of(function={"name": "f", "args": {}}),
            "m.tool_calls[0].function",
            "unknown key 'args'",
        ),
        (call_of(function={"name": "f"}, result=1), "m.tool_calls[0]", "unknown key 'result'"),
        (call_of(function={"name": "f"}, type="custom"), "m.tool_calls[0].type", "'custom'"),
        (call_of(function={"name": ""}), "m.tool_calls[0].function", "by name"),
        (
            call_of(function={"name": "f", "arguments": {"a": {1}}}),
            "m.tool_calls[0].function.arguments",
            "not JSON",
        ),
        (
            call_of(function={"name": "f", "arguments": {"a": b""}}),
            "m.tool_calls[0].function.arguments",
            "not JSON",
        ),
        (
            call_of(function={"name": "f", "arguments": {"a": float("nan")}}),
            "m.tool_calls[0].function.arguments",
            "not JSON",
        ),
        (
            call_of(function={"name": "f", "arguments": {"a": "\ud83d"}}),
            "m.tool_calls[0].function.arguments",
            "surrogate",
        ),
        (
            call_of(function={"name": "f", "arguments": '{"a": 1, "a": 2}'}),
            "m.tool_calls[0].function.arguments",
            "twice",
        ),
        ({"role": "user", "content": "\ud83d"}, "m.content", "surrogate"),
        ({"role": "tool", "content": "x", "name": "\ud83d"}, "m.name", "surrogate"),
        (
            {"role": "user", "content": [{"type": "text", "text": "x", "cache": 1}]},
            "m.content[0]",
            "unknown key 'cache'",
        ),
        ({"role": "user", "tool_calls": [{"name": "f"}]}, "m", "makes no tool calls"),
        ({"role": "user", "content": "x", "weight": 0, "trainable": True}, "m", "contradict"),
        ({"role": "user", "content": "x", "weight": "0"}, "m.weight", "0 or 1"),
        ({"role": "assistant", "content": None}, "m", "has content or tool calls"),
        ({"role": "assistant", "tool_calls": []}, "m", "has content or tool calls"),
        (call_of(function="f"), "m.tool_calls[0].function", "a function is a dictionary"),
    ],
)
def test_nothing_is_dropped_in_silence(value: object, field: str, problem: str) -> None:
    with pytest.raises(DataError) as caught:
        as_message(value, where="m")  # type: ignore[arg-type]
    assert caught.value.field == field
    assert problem in caught.value.problem


SPEC = ToolSpec(name="f", description="d", parameters={"type": "object"})
PLAIN = {"name": "f", "description": "d", "parameters": {"type": "object"}}


@pytest.mark.parametrize(
    "tools",
    [
        [SPEC],
        [PLAIN],
        [{"type": "function", "function": {**PLAIN, "strict": True}}],
        '[{"name": "f", "description": "d", "parameters": {"type": "object"}}]',
    ],
)
def test_tools_have_several_spellings(tools: object) -> None:
    assert as_tools(tools) == (SPEC,)  # type: ignore[arg-type]


@pytest.mark.parametrize("tools", [None, [], "", "[]", "null"])
def test_no_tools_have_several_spellings(tools: object) -> None:
    assert as_tools(tools) == ()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tools", "problem"),
    [
        ("{", "tools: not JSON"),
        ('{"name": "f"}', "tools: must be a list"),
        ([{**PLAIN, "returns": {}}], r"tools\[0\]: unknown key 'returns'"),
        ([{"function": PLAIN, "x": 1}], r"tools\[0\]: unknown key 'x'"),
        ([{"type": "web_search", "name": "f"}], r"tools\[0\].type: must be 'function'"),
        ([{"description": "d"}], r"tools\[0\]: not a function with a name"),
        ([{"name": "f", "parameters": {"a": {1}}}], r"tools\[0\].parameters: not JSON"),
        ([{"name": "f", "description": "\ud83d"}], r"tools\[0\].description: unpaired"),
        ([3], r"tools\[0\]: a tool is a dictionary"),
        ([{"type": "function", "function": "f"}], r"tools\[0\].function: not a function"),
        ([{"function": [1]}], r"tools\[0\].function: not a function with a name: \[1\]"),
    ],
)
def test_a_bad_tool_is_named(tools: object, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        as_tools(tools)  # type: ignore[arg-type]


def test_a_value_that_is_nested_too_deeply_is_one_error_with_its_field() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    refused = [
        (lambda: as_message({"role": "user", "content": deep}, where="m"), "m"),
        (lambda: as_message({"role": deep}, where="m"), "m"),
        (lambda: as_message(call_of(name="f", arguments={"a": deep}), where="m"), "m.tool_calls"),
        (lambda: as_conversation([{"role": "user", "content": "a"}, deep]), "messages[1]"),
        (lambda: as_conversation({"a": deep}), "messages"),  # type: ignore[arg-type]
        (lambda: as_tools([deep]), "tools"),  # type: ignore[list-item]
        (lambda: as_tools([{"name": "f", "parameters": {"a": deep}}]), "tools[0].parameters"),
    ]
    for call, field in refused:
        with pytest.raises(DataError, match="nested too deeply") as caught:
            call()
        assert str(caught.value.field).startswith(field)
