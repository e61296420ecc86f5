"""The queue of one model's operations, which run in the order of their `seq_id`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from attrs import define, field

from tinker_local.errors import RequestError

logger = logging.getLogger(__name__)

GAP_S = 330.0
"""A client retries a lost submission for 5 minutes. A number that is missing for longer was given
up, and the queue continues without it."""
MAX_QUEUED = 10_000
"""The most operations of one model that wait."""


@define(eq=False)
class Promise:
    """The result of posted work; the worker thread settles it, and the event loop awaits it."""

    future: asyncio.Future[Any]

    def resolve(self, result: object) -> None:
        """Deliver a result."""
        self._deliver(self.future.set_result, result)

    def reject(self, error: RequestError) -> None:
        """Deliver an error."""
        self._deliver(self.future.set_exception, error)

    def _deliver(self, settle: Callable[[Any], None], value: object) -> None:
        def deliver() -> None:
            if not self.future.done():  # its caller may have given up
                settle(value)

        loop = self.future.get_loop()
        if not loop.is_closed():
            loop.call_soon_threadsafe(deliver)

    @contextmanager
    def deliver_errors(self) -> Iterator[None]:
        """Deliver errors of the block; the worker continues."""
        try:
            yield
        except RequestError as error:
            self.reject(error)
        except Exception as error:
            logger.exception("the engine failed")
            self.reject(RequestError(f"{type(error).__name__}: {error}", "server"))

    def run(self, work: Callable[[], Any]) -> None:
        """Deliver the result of the work, or its error."""
        with self.deliver_errors():
            self.resolve(work())


@define(eq=False)
class OperationQueue:
    """The queued operations of one model, by number."""

    next_number: int = 1
    queued: dict[int, tuple[Promise, Callable[[], Any]]] = field(factory=dict)
    gap_since: float | None = None
    """The time since which the next number is missing while later ones are queued."""

    @property
    def is_ready(self) -> bool:
        """The next operation is queued."""
        return self.next_number in self.queued

    def enqueue(self, number: int, promise: Promise, work: Callable[[], Any]) -> None:
        """Queue an operation; one that comes too late, or is too many, is rejected."""
        if number < self.next_number or number in self.queued:
            promise.reject(
                RequestError(f"seq_id {number} has passed: the next is {self.next_number}")
            )
        elif len(self.queued) >= MAX_QUEUED and number != self.next_number:
            promise.reject(
                RequestError(f"{MAX_QUEUED} operations of this model are queued already")
            )
        else:
            self.queued[number] = (promise, work)

    def run_next(self) -> None:
        """Run the next operation."""
        promise, work = self.queued.pop(self.next_number)
        self.next_number += 1
        self.gap_since = None
        promise.run(work)

    def skip_gap(self, now: float) -> None:
        """Continue without numbers that have been missing for too long."""
        if self.is_ready or not self.queued:
            self.gap_since = None
        elif self.gap_since is None:
            self.gap_since = now
        elif now - self.gap_since > GAP_S:
            found = min(self.queued)
            logger.warning("operations %d to %d never came", self.next_number, found - 1)
            self.next_number, self.gap_since = found, None
