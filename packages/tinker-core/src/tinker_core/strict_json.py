"""JSON without the extensions of Python's `json` module, and with one exception for bad input.

`json.loads` accepts NaN and Infinity, turns 1e400 into Infinity, keeps the last of two equal keys,
accepts unpaired surrogates, and raises ValueError for an integer of more than 4,300 digits and
RecursionError for deep nesting. `json.dumps` writes NaN and Infinity and changes keys that are not
strings. RFC 8259 has none of it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from tinker_core.errors import DataError

_SURROGATE = re.compile("[\ud800-\udfff]")


class JsonError(DataError):
    """Text that is not JSON, or a value that JSON cannot express."""


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text; bytes must be UTF-8. Raises JsonError."""
    try:
        decoded = text if isinstance(text, str) else text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JsonError(f"not UTF-8: {error}") from error
    try:
        value = _DECODER.decode(decoded)
    except RecursionError as error:
        raise JsonError("not JSON: nested too deeply") from error
    except JsonError:
        raise
    except ValueError as error:  # JSONDecodeError, or an integer with too many digits
        raise JsonError(f"not JSON: {error}") from error
    if _may_hold_surrogates(decoded) and (found := _SURROGATE.search(_write(value))):
        raise JsonError(f"unpaired surrogate {found[0]!r}")
    return value


def members(text: str) -> dict[str, str]:
    """The members of a JSON object: the JSON text of each value by its key. Raises JsonError."""
    if not isinstance(parse_json(text), dict):
        raise JsonError(f"not a JSON object: {text:.80}")
    found: dict[str, str] = {}
    at = text.index("{") + 1
    while (start := _behind_space(text, at)) < len(text) and text[start] == '"':
        key, stop = _DECODER.raw_decode(text, start)
        start = _behind_space(text, text.index(":", stop) + 1)
        _, stop = _DECODER.raw_decode(text, start)
        found[key] = text[start:stop]
        at = _behind_space(text, stop) + 1  # behind a comma or the closing brace
    return found


def _behind_space(text: str, at: int) -> int:
    return len(text) - len(text[at:].lstrip(" \t\n\r"))


def to_json(value: object, *, indent: int | None = None) -> str:
    """The value as JSON with letters beyond ASCII as they are. Raises JsonError.

    Refused are NaN, infinities, keys that are not strings, unpaired surrogates, circular
    references, and types that JSON does not have (sets, bytes, NumPy values).
    """
    try:
        _check_keys(value)
        text = _write(value, indent=indent)
        text.encode()
    except RecursionError as error:
        raise JsonError("not JSON: nested too deeply") from error
    except (TypeError, ValueError) as error:
        raise JsonError(f"not JSON: {error}") from error
    return text


def _may_hold_surrogates(text: str) -> bool:
    escaped = "\\ud" in text or "\\uD" in text
    return escaped or (not text.isascii() and _SURROGATE.search(text) is not None)


def _write(value: object, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)


def _check_keys(value: object) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise TypeError(f"the key {key!r} is not a string")
            _check_keys(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _check_keys(inner)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise JsonError(f"the key {twice!r} stands twice in one object")
    return value


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise JsonError(f"{text:.40} is too large for a number")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise JsonError(f"not JSON: {name}")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_finite, parse_constant=_refuse_constant
)
