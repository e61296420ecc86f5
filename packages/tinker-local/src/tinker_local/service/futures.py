"""Futures: accepted requests and their outcomes, until the client has read them.

Runs on the event loop; nothing here is thread-safe.
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
"""The time that an outcome is kept for a client that never asks for it."""
KEEP_READ_S = 60.0
"""The time that an outcome is kept after it was read: a client that lost the reply asks again."""

Outcome = bytes | dict[str, Any] | RequestError
"""Protobuf, JSON, or the error."""
Start = Callable[[], Coroutine[Any, Any, Outcome]]


@define(eq=False)
class Channel:
    """The finished samples of one client of one sampler, in order, for its poller."""

    num_dropped: int = 0
    """Samples that the client has seen and that are dropped from the list."""
    finished: list[Future] = field(factory=list)
    grown: asyncio.Event = field(factory=asyncio.Event)

    def append(self, future: Future) -> None:
        """Add a finished sample."""
        self.finished.append(future)
        self.grown.set()

    def after(self, cursor: int) -> list[Future]:
        """The samples that finished after `cursor`. Those before it are dropped."""
        seen = min(max(cursor - self.num_dropped, 0), len(self.finished))
        del self.finished[:seen]
        self.num_dropped += seen
        return list(self.finished)

    async def wait(self, cursor: int, seconds: float) -> tuple[list[Future], int]:
        """The samples that finish after `cursor`, once there is one, and the new cursor."""
        fresh = self.after(cursor)
        if not fresh and seconds > 0:
            self.grown.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.grown.wait(), seconds)
            fresh = self.after(cursor)
        return fresh, self.num_dropped + len(fresh)


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
    """All futures, by id and by key. A client that submits a request twice uses the same key."""

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
        """The future of the request with this key. The first call runs `start`."""
        if key in self.by_key:
            return self.by_key[key]
        future = Future(f"{kind}-{uuid.uuid4().hex}", kind, key)
        future.opened_at = self.clock()
        if channel is not None:
            future.channel = self.channel(*channel)
        self.by_id[future.id] = self.by_key[key] = future
        future.task = asyncio.create_task(self._run(future, start))
        return future

    async def _run(self, future: Future, start: Start) -> None:
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
        """The channel of one client of a sampler."""
        return self.channels.setdefault((sampler_id, clone), Channel())

    async def wait(self, future: Future, seconds: float) -> Outcome | None:
        """The outcome, or None when it takes longer than so many seconds."""
        if not future.done.is_set():
            try:
                await asyncio.wait_for(future.done.wait(), seconds)
            except TimeoutError:
                return None
        future.read_at = self.clock()
        return future.outcome

    def cancel(self, request_id: str) -> None:
        """Cancel a request that still runs. A finished or unknown one is left alone."""
        if request_id in self.by_id:
            self._abort(self.by_id[request_id], RequestError("cancelled"))

    def cancel_where(self, matches: Callable[[Hashable], bool]) -> None:
        """Cancel the running requests whose keys match."""
        for future in self.by_id.values():
            if matches(future.key):
                self._abort(future, RequestError("cancelled: its session has ended"))

    def fail_all(self, error: RequestError) -> None:
        """Fail all running requests, and wake all pollers."""
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
        """Drop a finished request that the client has acknowledged."""
        future = self.by_id.get(request_id)
        if future is not None and future.done.is_set():
            del self.by_id[future.id], self.by_key[future.key]

    def drop_old(self) -> None:
        """Drop finished requests that were read, or not asked for, long enough ago."""
        now = self.clock()
        for future in list(self.by_id.values()):
            was_read = future.read_at is not None and now - future.read_at > KEEP_READ_S
            if future.done.is_set() and (was_read or now - future.finished_at > KEEP_UNREAD_S):
                self.forget(future.id)

    def close_channels(self, sampler_ids: set[str]) -> None:
        """Drop the channels of samplers that are gone, and wake their pollers."""
        for name in [name for name in self.channels if name[0] in sampler_ids]:
            self.channels.pop(name).grown.set()
