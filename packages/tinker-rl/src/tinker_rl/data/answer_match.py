"""Checks that compare an answer with its reference: `exact`, `number`, `contains`, user-defined."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from tinker_core import ConfigError
from tinker_core.numbers import Number, last_number, only_number

Check = Callable[[str, str], bool]
"""True if the answer (first) is right, given the reference (second)."""


def exact(answer: str, reference: str) -> bool:
    """The texts are equal up to leading and trailing white space."""
    return answer.strip() == reference.strip()


def number(answer: str, reference: str) -> bool:
    """The last number in the answer equals the reference's number.

    See `tinker_core.numbers` for what a number is. False for an answer or a reference without one.
    """
    found, wanted = last_number(answer), reference_number(reference)
    return found is not None and found == wanted


def reference_number(reference: str) -> Number | None:
    """The one number of a reference, after the last `####` if there is one, as in GSM8K."""
    return only_number(reference.rpartition("####")[2])


def contains(answer: str, reference: str) -> bool:
    """The reference occurs in the answer."""
    return reference.strip() in answer


_CHECKS: dict[str, Check] = {"exact": exact, "number": number, "contains": contains}


def find_check(name: str) -> Check:
    """The check of that name, or the function `module:function`. Raises ConfigError."""
    if name in _CHECKS:
        return _CHECKS[name]
    module, _, attribute = name.partition(":")
    try:
        found: Check = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"unknown check {name!r}, expected one of {sorted(_CHECKS)} or module:function: {error}"
        ) from error
    return found
