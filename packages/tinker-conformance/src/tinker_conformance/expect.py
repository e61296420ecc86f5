"""Expectations; one that does not hold raises `Mismatch` with what was expected and what came."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tinker
from numpy.typing import ArrayLike

from tinker_conformance.client.server import Server
from tinker_conformance.client.shown import Shown


class Mismatch(AssertionError):
    """The server's answer is not what the API promises."""

    def __init__(self, what: str, expected: str, came: str, snippet: str) -> None:
        super().__init__(f"{what}: expected {expected}, came {came}")
        self.what = what
        self.expected = expected
        self.came = came
        self.snippet = snippet


class Refused(Exception):
    """The server says that it does not support what a check needs."""


class Blocked(Exception):
    """A check cannot decide anything because something that it builds on does not work."""


def _brief(value: Any) -> str:
    array = np.asarray(value) if isinstance(value, np.ndarray | list | tuple | float) else None
    if array is not None and array.dtype.kind in "fiu":
        return str(np.array2string(np.round(array, 6), threshold=24, max_line_width=10_000))
    text = repr(value)
    return text if len(text) <= 400 else f"{text[:400]}..."


def expect_close(
    what: str, came: Shown, expected: ArrayLike, *, atol: float = 0.0, rtol: float = 0.0
) -> None:
    """Numbers of one shape, each within `atol + rtol * |expected|`; a NaN equals a NaN."""
    wanted = np.asarray(expected, np.float64)
    given = came.array
    same = given.shape == wanted.shape and np.allclose(
        given, wanted, rtol=rtol, atol=atol, equal_nan=True
    )
    if not same:
        within = f"{_brief(wanted)} within {atol + rtol * np.nanmax(np.abs(wanted), initial=0):.3g}"
        raise Mismatch(what, within, _brief(given), came.snippet())


def expect_equal(what: str, came: Shown, expected: Any) -> None:
    """The same value."""
    if came.value != expected:
        raise Mismatch(what, _brief(expected), _brief(came.value), came.snippet())


def expect(
    condition: bool | np.bool, what: str, shown: Shown, expected: str, *, came: str | None = None
) -> None:
    """A condition on a value; `expected` and, where the value does not show it, `came` in words."""
    if not condition:
        raise Mismatch(what, expected, came or _brief(shown.value), shown.snippet())


def expect_change(what: str, came: Shown, before: ArrayLike, *, more_than: float) -> None:
    """At least one number moved, so that a comparison with it can fail."""
    moved = float(np.nanmax(np.abs(came.array - np.asarray(before))))
    if not moved > more_than:
        raise Mismatch(what, f"a change of more than {more_than:g}", f"{moved:g}", came.snippet())


REFUSALS = (400, 403, 404, 405, 409, 410, 413, 415, 422, 501)
"""HTTP statuses that tell a client that the server does not do this."""


def refusal(error: BaseException) -> str | None:
    """The message of an honest refusal; None for any other failure."""
    if isinstance(error, tinker.RequestFailedError):
        return str(error) if error.category == "user" else None
    if isinstance(error, tinker.APIStatusError):
        return str(error) if error.status_code in REFUSALS else None
    return None


def expect_refusal(server: Server, what: str, call: Callable[[], Any]) -> str:
    """The call must fail with an error that blames the request; the error's message."""
    try:
        value = call()
    except Exception as error:
        message = refusal(error)
        if message is None:
            raise
        return message
    snippet = server.script.excerpt(server.script.last())
    came = value.value if isinstance(value, Shown) else getattr(value, "value", value)
    raise Mismatch(what, "an error that says what is wrong", _brief(came), snippet)
