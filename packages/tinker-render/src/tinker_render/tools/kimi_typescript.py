"""Tool declarations as TypeScript types, exactly as the tokenizer of Kimi K2.5 writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tinker_core import DataError, ToolSpec
from tinker_core.strict_json import to_json
from tinker_render.tools.json_schema import Schema, as_schema

_STEP = "  "
_LIMITS = {
    "string": ("maxLength", "minLength", "pattern"),
    "number": ("maximum", "minimum"),
    "integer": ("maximum", "minimum"),
    "array": ("maxItems", "minItems"),
}
"""The limits in the comment of a type, in this order."""
_NAMES = {"integer": "number", "object": "{}", "array": "Array<any>"}


def namespace(tools: Sequence[ToolSpec]) -> str:
    """All tools as types of one namespace. Raises DataError for a reference without a type."""
    declared = "\n".join(_function(tool) for tool in tools)
    return f"# Tools\n\n## functions\nnamespace functions {{\n{declared}\n}}\n"


def _function(tool: ToolSpec) -> str:
    schema = as_schema(tool.parameters)
    definitions = as_schema(schema.get("$defs"))
    recursive = _refers_to_itself(schema)
    interfaces = [f"interface parameters {_braces(_as_given(schema), '')}"] if recursive else []
    interfaces += [_interface(name, inner) for name, inner in definitions.items()]
    argument = "parameters" if recursive else _object(schema, "")
    lines = [*interfaces, _comment(tool.description), f"type {tool.name} = (_: {argument}) => any;"]
    return "\n".join(line for line in lines if line)


def _refers_to_itself(value: object) -> bool:
    """True if there is a `$ref` to the root."""
    if isinstance(value, Mapping):
        return value.get("$ref") == "#" or any(map(_refers_to_itself, value.values()))
    return isinstance(value, list) and any(map(_refers_to_itself, value))


def _interface(name: str, schema: Any) -> str:
    described = _comment(str(as_schema(schema).get("description", "")))
    return (f"{described}\n" if described else "") + f"interface {name} {_type(schema, '')}"


def _comment(text: str, indent: str = "") -> str:
    return "\n".join(f"{indent}// {line}" if line else "" for line in text.split("\n") if text)


def _documented(schema: object, indent: str) -> str:
    """The lines above a type: its description, its limits."""
    if not isinstance(schema, Mapping):
        return ""
    kind = schema.get("type")
    limits = _LIMITS.get(kind, ()) if isinstance(kind, str) and _plain(schema) else ()
    told = ", ".join(f"{key}: {schema[key]}" for key in limits if key in schema)
    lines = [
        _comment(str(schema.get("description", "")), indent),
        f"{indent}// {told}" if told else "",
    ]
    return "".join(f"{line}\n" for line in lines if line)


def _plain(schema: Schema) -> bool:
    return not any(key in schema for key in ("$ref", "anyOf", "enum"))


def _type(schema: Any, indent: str) -> str:
    if not isinstance(schema, Mapping):
        return "null" if schema is False else "any"
    if "$ref" in schema:
        return _reference(schema["$ref"])
    if "anyOf" in schema:
        return " | ".join(_type(inner, indent) for inner in schema["anyOf"])
    if "enum" in schema:
        values = schema["enum"]
        return " | ".join(f'"{v}"' if isinstance(v, str) else to_json(v) for v in values)
    kind: Any = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(_NAMES.get(name, str(name)) for name in kind)
    if kind in _WRITERS:
        return _WRITERS[kind](schema, indent)
    return "any" if kind is None else str(_NAMES.get(kind, kind))


def _reference(ref: object) -> str:
    if not isinstance(ref, str) or (ref != "#" and not ref.startswith("#/$defs/")):
        raise DataError(f"a reference must point into #/$defs, not to {ref!r}", field="tools")
    return "parameters" if ref == "#" else ref.rpartition("/")[2]


def _object(schema: Schema, indent: str) -> str:
    """The type of an object: required properties first, each group sorted by name."""
    required = schema.get("required") or []
    inside = indent + _STEP
    by_name = sorted(as_schema(schema.get("properties")).items())
    properties = sorted(by_name, key=lambda item: item[0] not in required)
    lines = [_property(name, inner, name in required, inside) for name, inner in properties]
    others = schema.get("additionalProperties")
    if others is not None:
        of = "never" if others is False else _type(others, inside)
        lines.append(f"{inside}[k: string]: {of}")
    return _braces(lines, indent)


def _as_given(schema: Schema) -> list[str]:
    """The properties of a root that refers to itself; only these are not sorted."""
    required = schema.get("required") or []
    properties = as_schema(schema.get("properties")).items()
    return [_property(name, inner, name in required, _STEP) for name, inner in properties]


def _braces(lines: Sequence[str], indent: str) -> str:
    inner = ",\n".join(lines)
    return f"{{\n{inner}\n{indent}}}" if lines else "{}"


def _property(name: str, schema: Any, required: bool, indent: str) -> str:
    default = schema.get("default") if isinstance(schema, Mapping) else None
    written = default if isinstance(default, int | float) else to_json(default)
    told = "" if default is None else f"{indent}// Default: {written}\n"
    optional = "" if required else "?"
    return f"{_documented(schema, indent)}{told}{indent}{name}{optional}: {_type(schema, indent)}"


def _array(schema: Schema, indent: str) -> str:
    items = schema.get("items") or {}
    inside = indent + _STEP
    told = _documented(items, inside)
    if told:
        return f"Array<\n{told}{inside}{_type(items, inside)}\n{indent}>"
    return f"Array<{_type(items, indent)}>"


_WRITERS: dict[str, Callable[[Schema, str], str]] = {"object": _object, "array": _array}
