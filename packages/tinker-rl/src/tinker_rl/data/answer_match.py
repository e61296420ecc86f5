"""Checks that compare an answer with its reference: `exact`, `number`, `contains`, user-defined."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from functools import cache

from attrs import frozen

from tinker_core import ConfigError
from tinker_core.numbers import Number, last_number, only_number
from tinker_core.process_pool import CallKilledError, ProcessPool

Check = Callable[[str, str], bool]
"""True if the answer (first) is right, given the reference (second)."""
logger = logging.getLogger(__name__)


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


@frozen
class ProcessCheck:
    """A user's check, called in a process that is killed where it takes too long.

    A thread could not be stopped: `2**10**10` in an answer would hold the interpreter's lock for
    ever. An answer whose check is killed is wrong.
    """

    pool: ProcessPool

    def __call__(self, answer: str, reference: str) -> bool:
        """True if the function says so in time. Raises what the function raises."""
        try:
            return bool(self.pool.call(answer, reference))
        except CallKilledError as error:
            logger.warning(
                "check %s: %s; counted as wrong: %.80r", self.pool.function, error, answer
            )
            return False


@cache
def _process_check(function: str, seconds: float) -> ProcessCheck:
    return ProcessCheck(ProcessPool(function, seconds=seconds))


def find_check(name: str, *, seconds: float = 5.0) -> Check:
    """The check of that name, or the function `module:function`, which gets `seconds` for a call.

    Raises ConfigError.
    """
    if name in _CHECKS:
        return _CHECKS[name]
    module, _, attribute = name.partition(":")
    try:
        getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"unknown check {name!r}, expected one of {sorted(_CHECKS)} or module:function: {error}"
        ) from error
    return _process_check(name, seconds)
