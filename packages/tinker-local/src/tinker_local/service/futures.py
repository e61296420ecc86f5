"""Requests that were accepted and their outcomes, until the client has them.

Lives on the event loop; nothing here is thread-safe.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Coroutine, Hashable
from contextlib import suppress
from typing import Any

from attrs import define, field

from tinker_local.errors import RequestError

logger = logging.getLogger(__name__)

KEEP_UNREAD_S = 3600.0
"""A finished result waits so long for a client that never asks."""
KEEP_READ_S = 60.0
"""And so long after it was read: a lost reply is asked for again within one poll."""

Outcome = bytes | dict[str, Any] | RequestError
"""Protobuf, JSON, or why not."""
Start = Callable[[], Coroutine[Any, Any, Outcome]]


@define(eq=False)
class Channel:
    """The finished samples of one client of one sampler, in order, for its poller."""

    trimmed: int = 0
    """How many the client has seen and the list no longer holds."""
    finished: list[Future] = field(factory=list)
    grown: asyncio.Event = field(factory=asyncio.Event)

    def append(self, future: Future) -> None:
        self.finished.append(future)
        self.grown.set()

    def after(self, cursor: int) -> list[Future]:
        """What finished after `cursor`; what is at or before it is forgotten."""
        seen = min(max(cursor - self.trimmed, 0), len(self.finished))
        del self.finished[:seen]
        self.trimmed += seen
        return list(self.finished)

    async def wait(self, cursor: int, seconds: float) -> tuple[list[Future], int]:
        """What finished after `cursor`, waiting for the first, and the new cursor."""
        fresh = self.after(cursor)
        if not fresh and seconds > 0:
            self.grown.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.grown.wait(), seconds)
            fresh = self.after(cursor)
        return fresh, self.trimmed + len(fresh)


@define(eq=False)
class Future:
    """One accepted request."""

    id: str
    kind: str
    key: Hashable
    channel: Channel | None = None
    done: asyncio.Event = field(factory=asyncio.Event)
    outcome: Outcome | None = None
    task: asyncio.Task[None] | None = None
    opened_at: float = 0.0
    finished_at: float = 0.0
    read_at: float | None = None


@define(eq=False)
class FutureTable:
    """All futures, by id and by the key under which a client may submit a request twice."""

    clock: Callable[[], float] = time.monotonic
    by_id: dict[str, Future] = field(factory=dict)
    by_key: dict[Hashable, Future] = field(factory=dict)
    channels: dict[tuple[str, int], Channel] = field(factory=dict)
    on_finished: Callable[[Future], None] = lambda future: None

    def open(
        self,
        kind: str,
        key: Hashable,
        start: Start,
        channel: tuple[str, int] | None = None,
    ) -> Future:
        """The future of the request with this key; the first time, `start` is set going."""
        if key in self.by_key:
            return self.by_key[key]
        future = Future(f"{kind}-{uuid.uuid4().hex}", kind, key)
        future.opened_at = self.clock()
        if channel is not None:
            future.channel = self.channel(*channel)
        self.by_id[future.id] = self.by_key[key] = future
        future.task = asyncio.create_task(self._fulfil(future, start))
        return future

    async def _fulfil(self, future: Future, start: Start) -> None:
        try:
            outcome = await start()
        except RequestError as error:
            outcome = error
        except Exception as error:
            logger.exception("request %s failed inside the engine", future.id)
            outcome = RequestError(f"{type(error).__name__}: {error}", "server")
        self._settle(future, outcome)

    def _settle(self, future: Future, outcome: Outcome) -> None:
        future.outcome = outcome
        future.finished_at = self.clock()
        future.done.set()
        self.on_finished(future)
        if future.channel is not None:
            future.channel.append(future)

    def channel(self, sampler_id: str, clone: int) -> Channel:
        """The finished samples of one client of a sampler."""
        return self.channels.setdefault((sampler_id, clone), Channel())

    async def wait(self, future: Future, seconds: float) -> Outcome | None:
        """The outcome, or None when it is not there after so many seconds."""
        if not future.done.is_set():
            try:
                await asyncio.wait_for(future.done.wait(), seconds)
            except TimeoutError:
                return None
        future.read_at = self.clock()
        return future.outcome

    def cancel(self, request_id: str) -> None:
        """Give up a request that still runs; one that is finished or unknown is left alone."""
        if request_id in self.by_id:
            self._abort(self.by_id[request_id], RequestError("cancelled"))

    def cancel_where(self, chosen: Callable[[Hashable], bool]) -> None:
        """Give up all that still run among the requests whose keys are chosen."""
        for future in self.by_id.values():
            if chosen(future.key):
                self._abort(future, RequestError("cancelled: its session has ended"))

    def fail_all(self, error: RequestError) -> None:
        """Let nobody wait any longer."""
        for future in self.by_id.values():
            self._abort(future, error)
        for channel in self.channels.values():
            channel.grown.set()

    def _abort(self, future: Future, error: RequestError) -> None:
        if not future.done.is_set():
            self._settle(future, error)
            if future.task is not None:
                future.task.cancel()

    def forget(self, request_id: str) -> None:
        """Drop a finished result that the client has acknowledged."""
        future = self.by_id.get(request_id)
        if future is not None and future.done.is_set():
            del self.by_id[future.id], self.by_key[future.key]

    def sweep(self) -> None:
        """Drop finished results that were read, or that nobody asked for, long enough ago."""
        now = self.clock()
        for future in list(self.by_id.values()):
            read = future.read_at is not None and now - future.read_at > KEEP_READ_S
            if future.done.is_set() and (read or now - future.finished_at > KEEP_UNREAD_S):
                self.forget(future.id)

    def close_channels(self, sampler_ids: set[str]) -> None:
        """Forget the pollers of samplers that are gone."""
        for name in [name for name in self.channels if name[0] in sampler_ids]:
            self.channels.pop(name).grown.set()
