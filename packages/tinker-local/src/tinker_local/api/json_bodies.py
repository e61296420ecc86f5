"""Decoding JSON bodies into structs; a RequestError names the field that is wrong and its value.

The structs lie beside the routes that read them. msgspec checks types and limits while it decodes.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from tinker_local.errors import RequestError

_INT64 = (1 << 63) - 1

Text = Annotated[str, Meta(min_length=1)]
Integer = Annotated[int, Meta(ge=-_INT64 - 1, le=_INT64)]
Count = Annotated[int, Meta(ge=0, le=_INT64)]
Positive = Annotated[int, Meta(ge=1, le=_INT64)]
Size = Annotated[float, Meta(ge=0)]
"""A finite number: JSON has no others."""

T = TypeVar("T")


class Body(Struct, frozen=True, kw_only=True):
    """A body of the Tinker API. Unknown fields are ignored: a newer SDK sends more than we know."""


class StrictBody(Body, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body whose unknown fields are refused."""


def decode_body(raw: bytes, body_type: type[T]) -> T:
    """The body as a struct; an empty body is an empty object."""
    try:
        return msgspec.json.decode(raw or b"{}", type=body_type)
    except (ValueError, RecursionError) as error:
        raise _explain(raw, error) from error


def _explain(raw: bytes, error: Exception) -> RequestError:
    """The error of a body that msgspec does not accept."""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return RequestError(f"the body is not JSON: {error}")
    if isinstance(error, msgspec.ValidationError):
        return _invalid_field(value, str(error))
    for path, reason in _not_json(value, ""):  # Python's reader allows more than JSON
        place = path.lstrip(".")
        return RequestError(f"{place}: {reason}", field=re.split(r"[.\[]", place)[0])
    return RequestError(f"the body is not JSON: {error}")


_MESSAGE = re.compile(r"(.*?)(?: - at `(?:key` in `)?\$(.*?)`)?", re.DOTALL)
_NAME = re.compile(r"Object (contains unknown|missing required) field `(.*)`", re.DOTALL)
_STEP = re.compile(r"\.([^.[]+)|\[(\d+)\]")


def _invalid_field(body: Any, message: str) -> RequestError:
    """msgspec's message, such as "Expected `int`, got `str` - at `$.seed`", in our form."""
    match = _MESSAGE.fullmatch(message)
    reason, path = (match[1], match[2] or "") if match else (message, "")
    if name := _NAME.fullmatch(reason):
        field = f"{path}.{name[2]}".lstrip(".")
        reason = "unknown field" if name[1] == "contains unknown" else "missing required field"
        return RequestError(f"{field}: {reason}", field=field)
    field = path.lstrip(".") or "the body"
    reason = re.sub(r", got `.*`$", "", reason).replace("`", "")
    if reason.startswith("Expected"):
        reason += f", got {_value_at(body, path)!r:.80}"
    return RequestError(f"{field}: {reason[:1].lower()}{reason[1:]}", field=field)


def _value_at(body: Any, path: str) -> Any:
    """The value at msgspec's path, or what contains it: the path has no keys of dictionaries."""
    value = body
    for name, index in _STEP.findall(path):
        try:
            value = value[name if name else int(index)]
        except (LookupError, TypeError):
            break
    return value


def _not_json(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """The places of numbers and strings that JSON does not allow."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _not_json(name, path)
            yield from _not_json(item, f"{path}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _not_json(item, f"{path}[{index}]")
    elif isinstance(value, float) and not math.isfinite(value):
        yield path, f"expected a finite number, got {value}"
    elif isinstance(value, str) and re.search(r"[\ud800-\udfff]", value):
        yield path, "invalid Unicode: a lone surrogate"
