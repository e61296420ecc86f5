"""JSON schemas of tools: the schema of a property, and whether it allows a string."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Schema = Mapping[str, Any]

_MOST_REFERENCES = 20  # one after the other; they may form a circle


def as_schema(value: object) -> Schema:
    """A schema as a mapping; `true` and `false` describe no type and become an empty one."""
    return value if isinstance(value, Mapping) else {}


def property_schema(root: Schema | bool, key: str) -> Any:
    """The schema of a parameter, None if the tool does not declare it."""
    schema = as_schema(_resolved(root, root))
    properties = as_schema(schema.get("properties"))
    others = schema.get("additionalProperties")
    return properties.get(key, others if isinstance(others, Mapping) else None)


def allows_string(schema: Any, root: Schema | bool) -> bool:
    """True if the schema may accept a string; references start from the schema `root`."""
    known: dict[int, bool] = {}  # by schema; a schema may refer to itself

    def allowed(reference: Any) -> bool:
        schema = _resolved(reference, root)
        if not isinstance(schema, Mapping):
            return schema is not False
        if id(schema) not in known:
            known[id(schema)] = False  # a union gains nothing by referring to itself
            known[id(schema)] = _allows_string(schema, allowed)
        return known[id(schema)]

    try:
        return allowed(schema)
    except RecursionError:  # nested too deeply to tell
        return True


def _allows_string(schema: Schema, allowed: Callable[[Any], bool]) -> bool:
    kind, enum, every = (schema.get(key) for key in ("type", "enum", "allOf"))
    unions = [schema[key] for key in ("anyOf", "oneOf") if isinstance(schema.get(key), list)]
    return (
        (kind is None or kind == "string" or (isinstance(kind, list) and "string" in kind))
        and (not isinstance(enum, list) or any(isinstance(value, str) for value in enum))
        and ("const" not in schema or isinstance(schema["const"], str))
        and all(any(map(allowed, union)) for union in unions)
        and (not isinstance(every, list) or all(map(allowed, every)))
    )


def _resolved(schema: Any, root: Schema | bool) -> Any:
    """The schema behind references inside of `root`; True for any other reference."""
    for _ in range(_MOST_REFERENCES):
        if not isinstance(schema, Mapping) or not isinstance(schema.get("$ref"), str):
            return schema
        schema = _pointed_at(root, schema["$ref"])
    return True


def _pointed_at(root: Any, reference: str) -> Any:
    """The value at a JSON pointer (RFC 6901) in a URI fragment; True if there is none."""
    if not reference.startswith("#"):
        return True
    found = root
    for key in reference[1:].split("/")[1:]:
        name = key.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, Mapping) or name not in found:
            return True
        found = found[name]
    return found
