"""Errors of the SDK as EngineError."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import walk_tb

import tinker

from tinker_core.errors import EngineError

_STATE_OF_THE_SDK = re.compile(
    r"( with status \d+| \(status \d+\))? for self\.request_id=.*", re.DOTALL
)


@contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Turn errors of the SDK in the block into EngineError, with `doing` in front."""
    try:
        yield
    except Exception as error:
        if isinstance(error, tinker.TinkerError) or _is_raised_by_the_sdk(error):
            raise EngineError(f"{doing}: {_reason(error)}") from error
        raise


def _is_raised_by_the_sdk(error: Exception) -> bool:
    """True for errors raised in SDK code, such as the ValueError for a future that was lost."""
    *_, (frame, _) = walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).startswith("tinker.")


def _reason(error: Exception) -> str:
    """The engine's own words on one line: an error's `detail`, without what the SDK adds."""
    answers = [e for e in (error, error.__cause__) if isinstance(e, tinker.APIStatusError)]
    if answers and isinstance(body := answers[0].body, dict) and "detail" in body:
        text = f"{body['detail']} (HTTP {answers[0].status_code})"
    else:
        text = _STATE_OF_THE_SDK.sub("", str(error)).removeprefix("Request failed: ")
    return " ".join(text.split())
