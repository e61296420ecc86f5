"""Tool declarations as a TypeScript namespace, exactly as the template of gpt-oss writes them.

The template knows a part of JSON Schema. What it does not know is the type `any`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tinker_core import ToolSpec
from tinker_core.strict_json import to_json
from tinker_render.tools.json_schema import Schema, as_schema

_INDENT, _WIDE = "\n" + " " * 16, " " * 20  # the indentation of the template's source
_SIMPLE = {"number": "number", "integer": "number", "boolean": "boolean"}
_LONGEST_ELEMENT = 50


def namespace(name: str, tools: Sequence[ToolSpec]) -> str:
    """All tools as functions of one namespace."""
    declared = "".join(_function(tool) for tool in tools)
    return f"## {name}\n\nnamespace {name} {{\n\n{declared}}} // namespace {name}"


def _function(tool: ToolSpec) -> str:
    properties, required = _properties(as_schema(tool.parameters))
    lines = "".join(_parameter(key, schema, required) for key, schema in properties.items())
    signature = f"(_: {{\n{lines}}}) => any" if properties else "() => any"
    return f"// {tool.description}\ntype {tool.name} = {signature};\n\n"


def _properties(schema: Schema) -> tuple[Mapping[str, Schema], Sequence[str]]:
    """The schemas of the properties by name, and the names of the required ones."""
    properties = as_schema(schema.get("properties"))
    schemas = {name: as_schema(inner) for name, inner in properties.items()}
    return schemas, schema.get("required") or []


def _parameter(name: str, schema: Schema, required: Sequence[str]) -> str:
    comment = f"// {schema['description']}\n" if schema.get("description") else ""
    optional = "" if name in required else "?"
    return f"{comment}{name}{optional}: {_type(schema)}{_default(schema)},\n"


def _default(schema: Schema) -> str:
    if "default" not in schema:
        return ""
    if schema.get("enum"):
        return f", // default: {schema['default']}"
    if schema.get("oneOf"):
        return f"// default: {schema['default']}"
    return f", // default: {to_json(schema['default'])}"


def _type(schema: Schema) -> str:
    kind = schema.get("type")
    if kind == "array":
        return _array(schema)
    if isinstance(kind, list) and kind:
        return " | ".join(map(str, kind))
    if schema.get("oneOf"):
        return _one_of([as_schema(variant) for variant in schema["oneOf"]])
    if kind == "string":
        return _string(schema)
    if kind == "object":
        return _object(schema)
    return _SIMPLE.get(kind, "any") if isinstance(kind, str) else "any"


def _string(schema: Schema) -> str:
    if schema.get("enum"):
        return '"' + '" | "'.join(map(str, schema["enum"])) + '"'
    return "string | null" if schema.get("nullable") else "string"


def _array(schema: Schema) -> str:
    items = as_schema(schema.get("items"))
    kind, element = items.get("type"), _type(items) if items else "any"
    if isinstance(kind, str) and kind in ("string", *_SIMPLE):
        element = {"string": "string", **_SIMPLE}[kind]
    elif element == "object | object" or len(element) > _LONGEST_ELEMENT:
        element = "any"
    return f"{element}[]" + (" | null" if schema.get("nullable") else "")


def _one_of(variants: Sequence[Schema]) -> str:
    if len(variants) > 1 and any(variant.get("type") == "object" for variant in variants):
        return "any"
    return " | \n".join(_variant(variant) for variant in variants)


def _variant(schema: Schema) -> str:
    comment = f"// {schema['description']}" if schema.get("description") else ""
    default = f"{_WIDE}// default: {to_json(schema['default'])}" if "default" in schema else ""
    return f"{_type(schema)}{comment}{default}"


def _object(schema: Schema) -> str:
    properties, required = _properties(schema)
    if not properties:
        return "object"
    inner = ", ".join(
        f"{name}{'' if name in required else '?'}: {_INDENT}{_type(inner)}"
        for name, inner in properties.items()
    )
    return f"{{\n{inner}}}"
