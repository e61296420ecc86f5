"""Values of arguments as bare text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinker_core import Message, Reply, ToolCall, ToolSpec
from tinker_render.tools.arguments import read_arguments, write_json, write_python

WRITERS = [write_json, write_python]
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.sampled_from(["NaN", "Infinity", "-Infinity", "1e400", "-0", "0.0", "-0.0", "1E5", "007"]),
    st.sampled_from(["true", "True", "null", "None", "[1, 2]", "[1,2]", '{"a": NaN}', "9" * 5000]),
    st.sampled_from(['"x"', "5", "5.0", "+5", " 5", "5\n", "[" * 2000, '["\\ud83d"]', '{"a":1}']),
    st.integers().map(str),
    st.floats().map(repr),
)


def tool(schema):
    return [ToolSpec(name="f", parameters={"type": "object", "properties": {"a": schema}})]


def value_of(text, write, tools=()):
    read = read_arguments("f", {"a": text}, tools, write)
    return json.loads(read, parse_constant=pytest.fail)["a"]


@pytest.mark.parametrize("write", WRITERS)
@given(text=TEXTS)
def test_a_value_is_written_as_it_was_read(write, text):
    assert write(value_of(text, write)) == text


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    "text", ["NaN", "1e400", "-0", "Infinity", "1e5", "[1,2]", "9" * 5000, "[" * 3000, '{"a":NaN}']
)
def test_text_that_no_value_is_written_as_stays_text(write, text):
    assert value_of(text, write) == text


@pytest.mark.parametrize(
    ("write", "text", "value"),
    [
        *((write_json, "5", 5), (write_json, "-2.5", -2.5), (write_json, "true", True)),
        *((write_json, "null", None), (write_json, "[1, 2]", [1, 2]), (write_json, "True", "True")),
        *(
            (write_python, "True", True),
            (write_python, "None", None),
            (write_python, "null", "null"),
        ),
    ],
)
def test_text_that_a_value_is_written_as_is_this_value(write, text, value):
    assert value_of(text, write) == value


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"type": ["string", "null"]},
        {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        {"oneOf": [{"type": "null"}, {"type": "string"}]},
        {"$ref": "#/properties/a/anyOf/0", "anyOf": [{"type": "string"}]},
        *({"enum": ["5", "6"]}, {}, True),
    ],
)
@given(text=TEXTS)
def test_a_schema_that_allows_a_string_keeps_a_string(write, schema, text):
    assert value_of(text, write, tool(schema)) == text


@pytest.mark.parametrize("schema", [{"type": "array"}, {"type": ["object", "null"]}])
def test_an_array_or_object_that_is_declared_is_read_in_any_spelling(schema):
    assert value_of("[1,2]", write_json, tool(schema)) == [1, 2]
    assert value_of('{"a":1}', write_python, tool(schema)) == {"a": 1}
    assert value_of("1e5", write_json, tool(schema)) == "1e5"


@pytest.mark.parametrize("name", ["glm", "qwen3_5", "qwen3_6", "nemotron3"])
@pytest.mark.parametrize("text", ["NaN", "1e400", "-0", "5", "true", "True", "[1,2]", " x\n", ""])
def test_a_parsed_call_is_written_with_the_text_of_the_model(renderer_of, name, text):
    renderer = renderer_of(name)
    asked = [Message(role="user", content="Hi")]
    call = ToolCall(name="f", arguments=json.dumps({"a": text}))
    prompt = renderer.build_generation_prompt(asked).to_ints()

    def emitted(message):
        return renderer.build_supervised_example([*asked, message])[0].to_ints()[len(prompt) :]

    sampled = emitted(Message(role="assistant", tool_calls=(call,)))
    outcome = renderer.parse_response(sampled)
    assert isinstance(outcome, Reply)
    assert emitted(outcome.message) == sampled
