"""Equality of two LaTeX expressions, by math-verify and a numeric check.

Runs in the process of a `ProcessPool`, which imports this file alone.
"""
# mypy: disable-error-code="import-not-found,import-untyped"

import logging
import random
from typing import Any

import sympy
from math_verify import parse, verify

logging.disable(logging.CRITICAL)  # what cannot be parsed is unequal, not news

TOLERANCE = 1e-9
"""Relative. math-verify rounds to six decimals, so that 2**-98 equals 2**-99."""


def equal(answer: str, target: str) -> bool:
    """True if two expressions are equal. Numbers are compared first, relative to their size."""
    ours, theirs = (parse(f"${text}$", parsing_timeout=None) for text in (answer, target))
    if not ours or not theirs:
        return False
    try:
        if differ(ours[0], theirs[0]):
            return False
    except Exception:  # noqa: BLE001  # sympy cannot evaluate it; math-verify has the last word
        logging.debug("no numeric check of %s", ours[0])
    return bool(verify(theirs, ours, timeout_seconds=None))


def differ(a: Any, b: Any) -> bool:
    """True if numbers disagree: two values, members of two sets, or two terms at some points."""
    a, b = (x.rhs if isinstance(x, sympy.Equality) else x for x in (a, b))
    if isinstance(a, sympy.FiniteSet) and isinstance(b, sympy.FiniteSet):
        pairs = len(a) == len(b)
        return not pairs or any(all(differ(x, y) for y in b) for x in a)
    if isinstance(a, sympy.MatrixBase) and isinstance(b, sympy.MatrixBase):
        return a.shape != b.shape or any(map(differ, a, b))
    if isinstance(a, sympy.Tuple | sympy.Interval) and isinstance(b, type(a)):
        return len(a.args) != len(b.args) or any(map(differ, a.args, b.args))
    if not isinstance(a, sympy.Expr) or not isinstance(b, sympy.Expr):
        return False
    if a.free_symbols != b.free_symbols:
        return False
    point = random.Random(0)
    values = {x: sympy.Rational(point.randint(10, 99), 37) for x in sorted(a.free_symbols, key=str)}
    x, y = (complex_value(term, values) for term in (a, b))
    return x is not None and y is not None and abs(x - y) > TOLERANCE * max(abs(x), abs(y))


def complex_value(term: Any, values: dict[Any, Any]) -> Any:
    """The term at a point to 30 digits; None where it has no finite value."""
    value = sympy.N(term.subs(values), 30)
    return value if value.is_number and value.is_finite else None
