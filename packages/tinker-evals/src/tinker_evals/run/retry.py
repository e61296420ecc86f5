"""Retries with exponential backoff, for requests to the engine and for grades."""

from __future__ import annotations

from asyncio import sleep
from collections.abc import Awaitable, Callable
from typing import TypeVar

import tinker
from attrs import field, frozen, validators
from tinker import types

from tinker_core import EngineError
from tinker_core.validators import non_negative
from tinker_evals.errors import GradingError

T = TypeVar("T")

FAILURES = (tinker.TinkerError, GradingError, TimeoutError, ConnectionError)
"""Failures of the engine or of a grader, which say nothing about the model."""
_REFUSED = (tinker.AuthenticationError, tinker.PermissionDeniedError, tinker.BillingError)
"""The engine refuses every request of this run."""


@frozen(kw_only=True)
class Retry:
    """The limit on repeating a failed call."""

    attempts: int = field(default=3, validator=validators.ge(1))
    """Calls in all."""
    backoff_s: float = field(default=1.0, validator=non_negative)
    """Seconds before the second call; doubled before each further one."""

    async def __call__(self, call: Callable[[], Awaitable[T]]) -> T:
        """The result of the first call that succeeds.

        Raises EngineError where the engine refuses the run as such, the last failure after
        `attempts`, and at once a failure that a repeated call would meet again.
        """
        for attempt in range(1, self.attempts + 1):
            try:
                return await call()
            except _REFUSED as error:
                raise EngineError(f"the engine refuses requests: {error}") from error
            except FAILURES as error:
                if attempt == self.attempts or _is_permanent(error):
                    raise
            await sleep(self.backoff_s * 2 ** (attempt - 1))
        raise AssertionError("unreachable: attempts is at least 1")


def _is_permanent(error: Exception) -> bool:
    """The same request would fail again, such as one whose prompt is too long."""
    if isinstance(error, tinker.RequestFailedError):
        return error.category == types.RequestErrorCategory.User
    return isinstance(error, tinker.BadRequestError | tinker.UnprocessableEntityError)
