"""Posted work: where its result goes, and the order in which a model's operations run."""

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
"""A client repeats a lost submission for 5 minutes; a number that is missing for longer than that
was given up, and the operations behind it go on without it."""
MAX_WAITING = 10_000
"""Operations of one model that may be queued."""


@define(eq=False)
class Reply:
    """Where the result of posted work goes; settled from the worker's thread."""

    future: asyncio.Future[Any]

    def settle(self, result: object) -> None:
        self._tell(self.future.set_result, result)

    def fail(self, error: RequestError) -> None:
        self._tell(self.future.set_exception, error)

    def _tell(self, tell: Callable[[Any], None], value: object) -> None:
        def deliver() -> None:
            if not self.future.done():  # the one who asked may have given up
                tell(value)

        loop = self.future.get_loop()
        if not loop.is_closed():
            loop.call_soon_threadsafe(deliver)

    @contextmanager
    def failures(self) -> Iterator[None]:
        """What goes wrong in this block goes to the one who asked; the worker goes on."""
        try:
            yield
        except RequestError as error:
            self.fail(error)
        except Exception as error:
            logger.exception("the engine failed")
            self.fail(RequestError(f"{type(error).__name__}: {error}", "server"))

    def perform(self, work: Callable[[], Any]) -> None:
        with self.failures():
            self.settle(work())


@define(eq=False)
class Line:
    """The operations of one model."""

    next_number: int = 1
    waiting: dict[int, tuple[Reply, Callable[[], Any]]] = field(factory=dict)
    gap_since: float | None = None
    """When the next number was first found missing while later ones waited."""

    @property
    def ready(self) -> bool:
        return self.next_number in self.waiting

    def enter(self, number: int, reply: Reply, work: Callable[[], Any]) -> None:
        if number < self.next_number or number in self.waiting:
            reply.fail(RequestError(f"seq_id {number} is over; the next is {self.next_number}"))
        elif len(self.waiting) >= MAX_WAITING and number != self.next_number:
            reply.fail(RequestError(f"{MAX_WAITING} operations of this model are waiting already"))
        else:
            self.waiting[number] = (reply, work)

    def run_next(self) -> None:
        reply, work = self.waiting.pop(self.next_number)
        self.next_number += 1
        self.gap_since = None
        reply.perform(work)

    def skip_gap(self, now: float) -> None:
        """Give up on a number that never came."""
        if self.ready or not self.waiting:
            self.gap_since = None
        elif self.gap_since is None:
            self.gap_since = now
        elif now - self.gap_since > GAP_S:
            found = min(self.waiting)
            logger.warning("operations %d to %d never came", self.next_number, found - 1)
            self.next_number, self.gap_since = found, None
