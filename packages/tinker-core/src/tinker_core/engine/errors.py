"""Errors of the SDK as EngineError."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from traceback import walk_tb

import tinker

from tinker_core.errors import EngineError


@contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Turn errors of the SDK in the block into EngineError, with `doing` in front."""
    try:
        yield
    except Exception as error:
        if isinstance(error, tinker.TinkerError) or _is_raised_by_the_sdk(error):
            raise EngineError(f"{doing}: {error}") from error
        raise


def _is_raised_by_the_sdk(error: Exception) -> bool:
    """True for errors raised in SDK code, such as the ValueError for a future that was lost."""
    *_, (frame, _) = walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).startswith("tinker.")
