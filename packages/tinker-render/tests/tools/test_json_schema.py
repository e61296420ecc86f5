"""Whether a JSON schema allows a string."""

import pytest

from tinker_render.tools.json_schema import allows_string, property_schema


@pytest.mark.parametrize(
    ("schema", "allowed"),
    [
        *((True, True), (False, False), ({}, True), ({"description": "x"}, True)),
        *(({"type": "string"}, True), ({"type": "integer"}, False), ({"type": "null"}, False)),
        *(({"type": ["string", "null"]}, True), ({"type": ["integer", "null"]}, False)),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, True),
        ({"oneOf": [{"type": "integer"}, {"type": "array"}]}, False),
        ({"anyOf": [True, {"type": "integer"}]}, True),
        ({"allOf": [{"type": "string"}, {"minLength": 1}]}, True),
        ({"allOf": [{"type": "string"}, {"type": "integer"}]}, False),
        ({"type": "string", "anyOf": [{"type": "integer"}]}, False),
        *(({"type": "STRING"}, True), ({"type": "str"}, True), ({"type": ["any", "null"]}, True)),
        *(({"enum": ["5", 6]}, True), ({"enum": [5, 6]}, False)),
        *(({"const": "5"}, True), ({"const": 5}, False), ({"const": None}, False)),
        ({"$ref": "#/$defs/text"}, True),
        ({"$ref": "#/$defs/number"}, False),
        ({"$ref": "#/definitions/a~1b"}, False),
        ({"$ref": "#/$defs/chain"}, False),
        ({"$ref": "#/$defs/nothing"}, True),
        ({"$ref": "https://example.com/schema"}, True),
        ({"$ref": "#/$defs/circle"}, True),
        ({"$ref": "#/$defs/list"}, False),
        ({"anyOf": [{"$ref": "#/$defs/number"}, {"$ref": "#/$defs/text"}]}, True),
    ],
)
def test_a_string_is_allowed_or_not(schema, allowed):
    root = {
        "$defs": {
            "text": {"type": "string"},
            "number": {"type": "number"},
            "chain": {"$ref": "#/$defs/number"},
            "circle": {"$ref": "#/$defs/circle"},
            "list": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/list"}]},
        },
        "definitions": {"a/b": {"type": "boolean"}},
    }
    assert allows_string(schema, root) == allowed


@pytest.mark.parametrize(("depth", "allowed"), [(50, False), (5000, True)])
def test_a_schema_of_many_branches_is_looked_at_once(depth, allowed):
    root = {"$defs": {"x0": {"type": "integer"}}}
    for n in range(depth):  # 4 to the power of `depth` paths
        inner = {"$ref": f"#/$defs/x{n}"}
        root["$defs"][f"x{n + 1}"] = {"anyOf": [inner, inner], "oneOf": [inner, inner]}
    assert allows_string({"$ref": f"#/$defs/x{depth}"}, root) == allowed


def test_the_schema_of_a_property_is_found_through_references_and_additional_properties():
    root = {
        "$ref": "#/$defs/root",
        "$defs": {"root": {"properties": {"a": {"type": "null"}}, "additionalProperties": {}}},
    }
    assert property_schema(root, "a") == {"type": "null"}
    assert property_schema(root, "b") == {}
    for other in (True, {}, {"properties": {"a": {}}}, {"additionalProperties": True}):
        assert property_schema(other, "b") is None


TEXT, NUMBER = {"type": "string"}, {"type": "number"}


@pytest.mark.parametrize(
    ("root", "allowed"),
    [
        ({"anyOf": [{"properties": {"a": TEXT}}, {"properties": {"a": NUMBER}}]}, True),
        ({"oneOf": [{"properties": {"a": NUMBER}}, {"properties": {"b": TEXT}}]}, False),
        ({"allOf": [{"$ref": "#/$defs/x"}], "$defs": {"x": {"properties": {"a": TEXT}}}}, True),
        ({"properties": {"a": NUMBER}, "anyOf": [{"required": ["a"]}]}, False),
        ({"patternProperties": {"^a": TEXT}, "additionalProperties": NUMBER}, True),
        ({"patternProperties": {"^b": TEXT}, "additionalProperties": NUMBER}, False),
        ({"patternProperties": {"(": TEXT}}, True),
        ({"allOf": [{"$ref": "#"}], "properties": {"a": NUMBER}}, False),
        ({"properties": None, "anyOf": 5, "additionalProperties": True}, None),
        ({"anyOf": [{}, True, False, None]}, None),
    ],
)
def test_the_schema_of_a_property_is_found_in_every_branch(root, allowed):
    schema = property_schema(root, "a")
    assert (None if schema is None else allows_string(schema, root)) == allowed


def test_the_schema_of_a_property_in_branches_without_end_may_be_anything():
    root = {"properties": {"a": NUMBER}}
    for _ in range(5000):
        root = {"allOf": [root]}
    assert property_schema(root, "a") is True
