"""The worker: the one thread that computes, and the order in which it does so.

The event loop posts work and awaits it. Operations of one model run strictly by their numbers, and
models take turns. After an operation, sampling gets as much time as the operation took; it gets all
the time while no operation is ready.
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
from tinker_local.service.backend import Sampler, SequenceGroup
from tinker_local.service.loaded_models import LoadedModels
from tinker_local.service.operation_queue import OperationQueue, Promise

logger = logging.getLogger(__name__)
T = TypeVar("T")


@define(eq=False)
class Worker:
    """Computes with the loaded models, which no other thread may touch."""

    models: LoadedModels
    clock: Callable[[], float] = time.monotonic
    _inbox: SimpleQueue[Callable[[], None]] = field(factory=SimpleQueue)
    _queues: dict[str, OperationQueue] = field(factory=dict)
    """By model."""
    _turns: deque[str] = field(factory=deque)
    """Models in the order of their turns."""
    _samples: dict[tuple[Sampler, SequenceGroup], Promise] = field(factory=dict)
    _stopping: bool = False
    _thread: threading.Thread | None = None

    # Called on the event loop.

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="tinker-local worker", daemon=True)
        self._thread.start()

    def stop(self, seconds: float) -> bool:
        """Finish the work in progress and no more; False if that takes longer."""
        self._inbox.put(self._stop)
        if self._thread is not None:
            self._thread.join(seconds)
        return self._thread is None or not self._thread.is_alive()

    def post(self, work: Callable[[], None]) -> None:
        """Run between operations. The work must not raise."""
        self._inbox.put(work)

    async def call(self, work: Callable[[], T]) -> T:
        """Run between operations and return the result."""
        promise = Promise(asyncio.get_running_loop().create_future())
        self.post(lambda: promise.run(work))
        result: T = await promise.future
        return result

    async def run_operation(self, model_id: str, number: int, work: Callable[[], T]) -> T:
        """Run as the model's operation of this number, after those with smaller numbers."""
        promise = Promise(asyncio.get_running_loop().create_future())
        self.post(lambda: self._enqueue(model_id, number, promise, work))
        result: T = await promise.future
        return result

    async def sample(self, sampler_id: str, request: SampleRequest) -> SampleResult:
        """Sample beside everything else. Cancelling the awaiting task cancels the sample."""
        promise = Promise(asyncio.get_running_loop().create_future())
        self.post(lambda: self._add_sample(sampler_id, request, promise))
        try:
            result: SampleResult = await promise.future
        except asyncio.CancelledError:
            self.post(lambda: self._cancel_sample(promise))
            raise
        return result

    def open_queue(self, model_id: str) -> None:
        """Accept operations of a model."""
        self.post(lambda: self._open_queue(model_id))

    def close_queue(self, model_id: str) -> None:
        """Unload a model after the queued operations that can still run."""
        self.post(lambda: self._close_queue(model_id))

    # Called on the worker thread.

    def _stop(self) -> None:
        self._stopping = True

    def _open_queue(self, model_id: str) -> None:
        self._queues[model_id] = OperationQueue()
        self._turns.append(model_id)

    def _enqueue(
        self, model_id: str, number: int, promise: Promise, work: Callable[[], Any]
    ) -> None:
        queue = self._queues.get(model_id)
        if queue is None:
            promise.reject(RequestError(f"model {model_id} is gone: its session has ended"))
        else:
            queue.enqueue(number, promise, work)

    def _close_queue(self, model_id: str) -> None:
        queue = self._queues.get(model_id)
        if queue is None:
            return
        if queue.is_ready and not self._stopping:
            self.close_queue(model_id)  # again, after what is in the inbox and one more turn
            return
        for promise, _ in queue.queued.values():
            promise.reject(RequestError(f"model {model_id} is gone: its session has ended"))
        del self._queues[model_id]
        self._turns.remove(model_id)
        self.models.unload_run(model_id)

    def _add_sample(self, sampler_id: str, request: SampleRequest, promise: Promise) -> None:
        if not promise.future.cancelled():
            with promise.deliver_errors():
                sampler, group = self.models.start_sample(sampler_id, request)
                self._samples[sampler, group] = promise

    def _cancel_sample(self, promise: Promise) -> None:
        for (sampler, group), waiting in list(self._samples.items()):
            if waiting is promise:
                del self._samples[sampler, group]
                sampler.cancel(group)

    def _run(self) -> None:
        while not self._stopping:
            queue = self._next_queue()
            busy = queue is not None or any(self._busy_samplers())
            self._run_posted(wait=not busy)
            began = self.clock()
            if queue is not None:
                queue.run_next()
            self._step_samplers(self.clock() - began)

    def _run_posted(self, *, wait: bool) -> None:
        """Run the posted work, after waiting for some if there is nothing else to do."""
        if wait:
            has_gap = any(queue.queued for queue in self._queues.values())
            with suppress(Empty):
                self._inbox.get(timeout=1.0 if has_gap else None)()
        for _ in range(self._inbox.qsize()):  # no other thread takes from it
            self._inbox.get()()

    def _next_queue(self) -> OperationQueue | None:
        """The queue whose turn it is, of those with an operation that is ready."""
        now = self.clock()
        for _ in range(len(self._turns)):
            queue = self._queues[self._turns[0]]
            self._turns.rotate(-1)
            queue.skip_gap(now)
            if queue.is_ready:
                return queue
        return None

    def _busy_samplers(self) -> list[Sampler]:
        return [sampler for sampler in self.models.samplers.values() if not sampler.is_idle]

    def _step_samplers(self, seconds: float) -> None:
        """Step every busy sampler once, and again until so many seconds have passed."""
        deadline = self.clock() + seconds
        while busy := self._busy_samplers():
            for sampler in busy:
                self._step(sampler)
            if self._stopping or self.clock() >= deadline:
                return
            self._run_posted(wait=False)

    def _step(self, sampler: Sampler) -> None:
        try:
            finished = sampler.step()
        except Exception as error:
            logger.exception("a sampler failed; its requests fail with it")
            failure = RequestError(f"{type(error).__name__}: {error}", "server")
            finished = [(group, failure) for other, group in self._samples if other is sampler]
            self.models.discard_sampler(sampler)
        for group, result in finished:
            promise = self._samples.pop((sampler, group), None)
            if promise is None:
                continue  # cancelled
            if isinstance(result, RequestError):
                promise.reject(result)
            else:
                promise.resolve(result)
