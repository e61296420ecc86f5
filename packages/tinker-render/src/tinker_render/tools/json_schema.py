"""JSON schemas of tools: the schema of a property, and whether it allows a string."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_MOST_REFERENCES = 20  # one after the other; they may form a circle
_OTHER_TYPES = ("number", "integer", "boolean", "null", "object", "array")


def as_schema(value: object) -> Schema:
    """A schema as a mapping; `true` and `false` describe no type and become an empty one."""
    return value if isinstance(value, Mapping) else {}


def property_schema(root: Schema | bool, key: str) -> Any:
    """The schema of a parameter, None if the tool does not declare it.

    Several schemas in branches of a union become a union.
    """
    try:
        found = list(_declared(root, root, key, set()))
    except RecursionError:  # nested too deeply to tell
        return True
    return {"anyOf": found} if len(found) > 1 else next(iter(found), None)


def _declared(reference: Any, root: Schema | bool, key: str, seen: set[int]) -> Iterator[Any]:
    schema = as_schema(_resolved(reference, root))
    if id(schema) in seen:
        return
    seen.add(id(schema))
    properties, patterns = (
        as_schema(schema.get(name)) for name in ("properties", "patternProperties")
    )
    given = [properties[key]] if key in properties else []
    given += [inner for pattern, inner in patterns.items() if _matches(pattern, key)]
    others = schema.get("additionalProperties")
    yield from given or ([others] if isinstance(others, Mapping) else [])
    for name in ("allOf", "anyOf", "oneOf"):
        branches = schema.get(name)
        for branch in branches if isinstance(branches, list) else []:
            yield from _declared(branch, root, key, seen)


def _matches(pattern: str, key: str) -> bool:
    """True if the key may match the regular expression, of ECMA-262 and not of Python."""
    try:
        return re.search(pattern, key) is not None
    except re.error:
        return True


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
        any(name not in _OTHER_TYPES for name in (kind if isinstance(kind, list) else [kind]))
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
