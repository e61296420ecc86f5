"""The one thread that computes, and in which order it does what.

The event loop posts work and awaits it. Operations of one model run strictly by their numbers;
models take turns; sampling gets as much time after an operation as that operation took, and all of
it while none is ready.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from attrs import define, field

from tinker_local.errors import RequestError
from tinker_local.request_types import SampleRequest, SampleResult
from tinker_local.service.backend import Sampler, Ticket
from tinker_local.service.loaded_models import Engine
from tinker_local.service.operation_queue import Line, Reply

logger = logging.getLogger(__name__)
T = TypeVar("T")


@define(eq=False)
class Scheduler:
    """Runs an engine in a thread of its own."""

    engine: Engine
    clock: Callable[[], float] = time.monotonic
    _inbox: SimpleQueue[Callable[[], None]] = field(factory=SimpleQueue)
    _lines: dict[str, Line] = field(factory=dict)
    _turns: deque[str] = field(factory=deque)
    """Models, the next to be served first."""
    _tickets: dict[tuple[Sampler, Ticket], Reply] = field(factory=dict)
    _stopping: bool = False
    _thread: threading.Thread | None = None

    # Called on the event loop.

    def start(self) -> None:
        self._thread = threading.Thread(target=self._work, name="tinker-local worker", daemon=True)
        self._thread.start()

    def stop(self, seconds: float) -> bool:
        """Finish what is being computed, nothing more; False if that takes longer."""
        self._inbox.put(self._stop)
        if self._thread is not None:
            self._thread.join(seconds)
        return self._thread is None or not self._thread.is_alive()

    def post(self, work: Callable[[], None]) -> None:
        """Run between operations; the work must not raise."""
        self._inbox.put(work)

    async def call(self, work: Callable[[], T]) -> T:
        """Run between operations and return the result."""
        reply = Reply(asyncio.get_running_loop().create_future())
        self.post(lambda: reply.perform(work))
        result: T = await reply.future
        return result

    async def in_order(self, model_id: str, number: int, work: Callable[[], T]) -> T:
        """Run as a model's operation of this number, after all with smaller numbers."""
        reply = Reply(asyncio.get_running_loop().create_future())
        self.post(lambda: self._enter(model_id, number, reply, work))
        result: T = await reply.future
        return result

    async def sample(self, sampler_id: str, request: SampleRequest) -> SampleResult:
        """Decode beside everything else; cancelling the awaiting task stops it."""
        reply = Reply(asyncio.get_running_loop().create_future())
        self.post(lambda: self._admit(sampler_id, request, reply))
        try:
            result: SampleResult = await reply.future
        except asyncio.CancelledError:
            self.post(lambda: self._cancel(reply))
            raise
        return result

    def open_line(self, model_id: str) -> None:
        self.post(lambda: self._open(model_id))

    def close_line(self, model_id: str) -> None:
        """Forget a model, once the operations that can still run have run."""
        self.post(lambda: self._close(model_id))

    # Called on the worker's thread.

    def _stop(self) -> None:
        self._stopping = True

    def _open(self, model_id: str) -> None:
        self._lines[model_id] = Line()
        self._turns.append(model_id)

    def _enter(self, model_id: str, number: int, reply: Reply, work: Callable[[], Any]) -> None:
        line = self._lines.get(model_id)
        if line is None:
            reply.fail(RequestError(f"model {model_id} is gone: its session has ended"))
        else:
            line.enter(number, reply, work)

    def _close(self, model_id: str) -> None:
        line = self._lines.get(model_id)
        if line is None:
            return
        if line.ready and not self._stopping:
            self.close_line(model_id)  # behind what is in the inbox now, and after one more turn
            return
        for reply, _ in line.waiting.values():
            reply.fail(RequestError(f"model {model_id} is gone: its session has ended"))
        del self._lines[model_id]
        self._turns.remove(model_id)
        self.engine.forget_run(model_id)

    def _admit(self, sampler_id: str, request: SampleRequest, reply: Reply) -> None:
        if not reply.future.cancelled():
            with reply.failures():
                sampler, ticket = self.engine.start_sample(sampler_id, request)
                self._tickets[sampler, ticket] = reply

    def _cancel(self, reply: Reply) -> None:
        for (sampler, ticket), one in list(self._tickets.items()):
            if one is reply:
                del self._tickets[sampler, ticket]
                sampler.cancel(ticket)

    def _work(self) -> None:
        while not self._stopping:
            line = self._next_line()
            busy = line is not None or any(self._busy())
            self._take(wait=not busy)
            began = self.clock()
            if line is not None:
                line.run_next()
            self._decode(self.clock() - began)

    def _take(self, *, wait: bool) -> None:
        """Do what was posted; with nothing else to do, wait for it."""
        if wait:
            gaps = any(line.waiting for line in self._lines.values())
            with suppress(Empty):
                self._inbox.get(timeout=1.0 if gaps else None)()
        for _ in range(self._inbox.qsize()):  # this thread is the only one that takes
            self._inbox.get()()

    def _next_line(self) -> Line | None:
        """The model whose turn it is among those that have something to do."""
        now = self.clock()
        for _ in range(len(self._turns)):
            line = self._lines[self._turns[0]]
            self._turns.rotate(-1)
            line.skip_gap(now)
            if line.ready:
                return line
        return None

    def _busy(self) -> list[Sampler]:
        return [sampler for sampler in self.engine.samplers.values() if not sampler.idle]

    def _decode(self, seconds: float) -> None:
        """Step every sampler that has requests: once, and on until so much time has passed."""
        deadline = self.clock() + seconds
        while busy := self._busy():
            for sampler in busy:
                self._step(sampler)
            if self._stopping or self.clock() >= deadline:
                return
            self._take(wait=False)

    def _step(self, sampler: Sampler) -> None:
        try:
            finished = sampler.step()
        except Exception as error:
            logger.exception("a sampler failed; its requests are lost")
            failure = RequestError(f"{type(error).__name__}: {error}", "server")
            finished = [(ticket, failure) for one, ticket in self._tickets if one is sampler]
            self.engine.discard_sampler(sampler)
        for ticket, result in finished:
            reply = self._tickets.pop((sampler, ticket), None)
            if reply is None:
                continue  # cancelled
            if isinstance(result, RequestError):
                reply.fail(result)
            else:
                reply.settle(result)
