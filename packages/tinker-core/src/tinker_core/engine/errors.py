"""What the SDK raises, as an EngineError."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from traceback import walk_tb

import tinker

from tinker_core.errors import EngineError


@contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Turn what the SDK raises inside into an EngineError that begins with what was being done."""
    try:
        yield
    except Exception as error:
        if isinstance(error, tinker.TinkerError) or _is_raised_by_the_sdk(error):
            raise EngineError(f"{doing}: {error}") from error
        raise


def _is_raised_by_the_sdk(error: Exception) -> bool:
    """Not all that it raises is a TinkerError: a future that the engine lost is a ValueError."""
    *_, (frame, _) = walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).startswith("tinker.")
