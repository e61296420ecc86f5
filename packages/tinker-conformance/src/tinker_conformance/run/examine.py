"""Run one check against a server and turn whatever happens into a result."""

from __future__ import annotations

import threading
import time
import traceback
from typing import Any

from tinker_conformance.check import Check
from tinker_conformance.client.known import Known
from tinker_conformance.client.server import Server
from tinker_conformance.expect import BlockedError, MismatchError, RefusedError, refusal
from tinker_conformance.run.result import Result
from tinker_conformance.target import Target

CLOSE_S = 5.0
"""Wait so long for the end of a session, on which the next check does not depend."""


def examine(check: Check, target: Target, timeout: float, known: Known) -> Result:
    """The result of one check, in a session of its own."""
    began = time.monotonic()
    server = Server(target, timeout, known)
    try:
        check.run(server)
    except Exception as error:  # noqa: BLE001 - whatever a check raises is its result
        outcome = _failure(check, server, error)
    else:
        outcome = {"status": "passed"}
    seconds = round(time.monotonic() - began, 3)
    closing = threading.Thread(target=server.close, daemon=True)
    closing.start()
    closing.join(0.0 if outcome.get("timed_out") else CLOSE_S)
    return Result(check=check.id, claim=check.claim, seconds=seconds, notes=server.notes, **outcome)


def _failure(check: Check, server: Server, error: Exception) -> dict[str, Any]:
    if isinstance(error, MismatchError):
        shown = {"expected": error.expected, "came": error.came, "snippet": error.snippet}
        return {"status": "failed", "what": error.what, **shown}
    if isinstance(error, BlockedError):
        return {"status": "blocked", "what": str(error)}
    if isinstance(error, TimeoutError):
        return _call_failed(server, "a call has no answer", "nothing in time", timed_out=True)
    message = str(error) if isinstance(error, RefusedError) else refusal(error)
    if message is not None and not check.required:
        return {"status": "not supported", "what": message}
    if message is not None:
        return _call_failed(server, "a call that every server needs is refused", message)
    return _call_failed(server, "a call fails", _described(error))


def _call_failed(
    server: Server, what: str, came: str, *, timed_out: bool = False
) -> dict[str, Any]:
    return {
        "status": "failed",
        "what": what,
        "expected": "an answer, or an error that blames the request",
        "came": came,
        "snippet": server.script.excerpt(server.script.last()),
        "timed_out": timed_out,
    }


def _described(error: Exception) -> str:
    """The error's type and message, and where it was raised."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{frame.filename.rpartition('/')[2]}, line {frame.lineno}"
    return f"{type(error).__name__}: {error} ({place})"
