"""Expectations; one that does not hold raises `MismatchError`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import tinker
from numpy.typing import ArrayLike

from tinker_conformance.client.server import Server
from tinker_conformance.client.shown import Reply, Shown
from tinker_conformance.client.trainer import Call


class MismatchError(AssertionError):
    """The server's answer is not what the API promises."""

    def __init__(self, what: str, expected: str, came: str, snippet: str) -> None:
        super().__init__(f"{what}: expected {expected}, came {came}")
        self.what = what
        self.expected = expected
        self.came = came
        self.snippet = snippet


class RefusedError(Exception):
    """The server says that it does not support what a check needs."""


class BlockedError(Exception):
    """A check cannot decide anything because something that it builds on does not work."""


def _brief(value: Any) -> str:
    array = np.asarray(value) if isinstance(value, np.ndarray | list | tuple | float) else None
    if array is not None and array.dtype.kind in "fiu" and array.ndim == 0:
        return f"{float(array):.6g}"
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
        raise MismatchError(what, within, _brief(given), came.snippet())


def expect_equal(what: str, came: Shown, expected: Any) -> None:
    """The same value."""
    if came.value != expected:
        raise MismatchError(what, _brief(expected), _brief(came.value), came.snippet())


def fail(what: str, shown: Shown, expected: str, came: str) -> NoReturn:
    """A value that is wrong whatever it is."""
    raise MismatchError(what, expected, came, shown.snippet())


def expect(
    condition: bool | np.bool, what: str, shown: Shown, expected: str, *, came: str | None = None
) -> None:
    """A condition on a value; `expected` and, where the value does not show it, `came` in words."""
    if not condition:
        raise MismatchError(what, expected, came or _brief(shown.value), shown.snippet())


def expect_change(what: str, came: Shown, before: ArrayLike, *, more_than: float) -> None:
    """At least one number moved, so that a comparison with it can fail."""
    moved = float(np.nanmax(np.abs(came.array - np.asarray(before))))
    if not moved > more_than:
        fail(what, came, f"a change of more than {more_than:g}", f"{moved:g}")


REFUSALS = (400, 403, 404, 405, 410, 413, 415, 422)
"""HTTP statuses that say that a server does not do this; the SDK does not repeat the request."""


def refusal(error: BaseException) -> str | None:
    """The message of an honest refusal; None for any other failure."""
    if isinstance(error, tinker.RequestFailedError):
        return str(error) if error.category == "user" else None
    if isinstance(error, tinker.APIStatusError):
        return str(error) if error.status_code in REFUSALS else None
    return None


def expect_refusal(
    server: Server, what: str, submit: Callable[..., Any], *arguments: Any, **options: Any
) -> str:
    """A call that must fail with an error that blames the request; the error's message."""
    try:
        value = submit(*arguments, **options)
        value = value.result() if isinstance(value, Call) else value
    except Exception as error:
        message = refusal(error)
        if message is None:
            raise
        return message
    snippet = server.script.excerpt(server.script.last())
    came = value.value if isinstance(value, Shown | Reply) else value
    raise MismatchError(what, "an error that says what is wrong", _brief(came), snippet)


def refused(submit: Callable[..., Any], *arguments: Any, **options: Any) -> str | None:
    """The error's message when a call is refused; None when it is served."""
    try:
        value = submit(*arguments, **options)
        if isinstance(value, Call):
            value.result()
    except Exception as error:
        message = refusal(error)
        if message is None:
            raise
        return message
    return None
