"""Every valid JSON schema can describe a tool."""

from fnmatch import fnmatch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinker_core import DataError, RenderError, ToolSpec
from tinker_render.format.message_text import RENDERERS_WITH
from tinker_render.registry import FORMATS

WITH_TOOLS = [
    name for name in sorted(FORMATS) if any(fnmatch(name, p) for p in RENDERERS_WITH["tools"])
]
SETTINGS = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
TYPES = ["string", "number", "integer", "boolean", "null", "object", "array"]
NAMES = st.sampled_from(["a", "b", "$ref", "type", "", "</think>"])
VALUES = st.sampled_from([None, True, 5, 1.5, "x", ["y"], {"z": 1}])
REFERENCES = ["#", "#/$defs/a", "#/definitions/a", "#/properties/a", "#/nowhere", "other.json#/a"]


def schemas_of(inner):
    unions = {key: st.lists(inner, min_size=1, max_size=3) for key in ("anyOf", "oneOf", "allOf")}
    return st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(TYPES)
            | st.lists(st.sampled_from(TYPES), min_size=1, unique=True),
            "description": st.sampled_from(["", "Does.", "two\nlines"]),
            "properties": st.dictionaries(NAMES, inner, max_size=3),
            "required": st.lists(NAMES, max_size=2, unique=True),
            "additionalProperties": inner,
            "patternProperties": st.dictionaries(NAMES, inner, max_size=1),
            "items": inner | st.lists(inner, max_size=2),
            "prefixItems": st.lists(inner, max_size=2),
            "enum": st.lists(VALUES, min_size=1, max_size=3),
            "const": VALUES,
            "default": VALUES,
            "$ref": st.sampled_from(REFERENCES),
            "$defs": st.dictionaries(NAMES, inner, max_size=2),
            "nullable": st.booleans(),
            "minimum": st.integers(0, 3),
            "maxLength": st.integers(0, 3),
            "not": inner,
            **unions,
        },
    )


SCHEMAS = st.recursive(st.booleans() | st.just({}), schemas_of, max_leaves=8)


@pytest.mark.parametrize("name", WITH_TOOLS)
@SETTINGS
@given(schema=SCHEMAS)
def test_any_schema_is_declared_and_calls_are_parsed_with_it(renderer_of, name, schema):
    renderer = renderer_of(name)
    tools = [ToolSpec(name="f", description="Does.", parameters=schema)]
    messages = [{"role": "user", "content": "Hi"}]
    prompt = renderer.build_generation_prompt(messages, tools=tools).to_ints()
    assert len(prompt) > len(renderer.build_generation_prompt(messages).to_ints())
    call = {"function": {"name": "f", "arguments": '{"a": "5", "b": [1]}'}}
    answer = {"role": "assistant", "tool_calls": [call]}
    example, _ = renderer.build_supervised_example([*messages, answer], tools=tools)
    outcome = renderer.parse_response(example.to_ints()[len(prompt) :], tools=tools)
    assert outcome.message.tool_calls[0].parsed_arguments.keys() == {"a", "b"}


@pytest.mark.parametrize("name", WITH_TOOLS)
@pytest.mark.parametrize("depth", [30, 300, 3000])
@pytest.mark.parametrize("kind", ["properties", "items", "anyOf"])
def test_a_schema_that_is_nested_deeply_is_declared_or_one_error(renderer_of, name, depth, kind):
    schema = {"type": "string"}
    for _ in range(depth):
        inner = {"properties": {"a": schema}, "items": schema, "anyOf": [schema]}[kind]
        schema = {"type": "array" if kind == "items" else "object", kind: inner}
    tool = {"name": "f", "parameters": {"type": "object", "properties": {"a": schema}}}
    error = declare(renderer_of(name), tool)
    assert error is None or ("deeply" in str(error) and depth > 100)


def declare(renderer, tool):
    try:
        renderer.build_generation_prompt([{"role": "user", "content": "Hi"}], tools=[tool])
    except (DataError, RenderError) as error:
        return error
    return None
