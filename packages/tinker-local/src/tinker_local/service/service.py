"""What all routes share: the registry, the futures, the scheduler, the store; and its upkeep."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from attrs import define, field, frozen

from tinker_local import catalog
from tinker_local.errors import RequestError
from tinker_local.service.backend import Compute
from tinker_local.service.futures import Future, FutureTable, Outcome, Start
from tinker_local.service.loaded_models import Engine, ModelName, Source
from tinker_local.service.sessions import Model, Registry, SamplerRecord, Session, Span
from tinker_local.service.worker import Scheduler
from tinker_local.storage.checkpoint_store import Store
from tinker_local.storage.snapshot_store import Shelf

logger = logging.getLogger(__name__)
T = TypeVar("T")

SWEEP_S = 5.0
TIDY_S = 60.0
STOP_S = 1.0
"""How long a shutdown waits for what is running; nothing that is cut off is half written."""
MAX_IDLE_GUESTS = 4
"""Weights of that many samplers that no session owns stay for the next request."""


@frozen(kw_only=True)
class Settings:
    """How a server runs."""

    home: Path
    key: str | None = None
    """What clients must send; None lets everyone in, which only loopback may do."""
    session_timeout_s: float = 300.0
    """A client that is silent for so long (30 heartbeats) is taken for dead."""
    preload: tuple[str, ...] = ()


@frozen(kw_only=True)
class Download:
    """Files that may be fetched by whoever knows the token."""

    files: dict[str, Path | bytes]
    until: float
    """Unix time."""


@define(eq=False)
class Service:
    """One server's state."""

    settings: Settings
    registry: Registry
    store: Store
    scheduler: Scheduler
    futures: FutureTable = field(factory=FutureTable)
    downloads: dict[str, Download] = field(factory=dict)
    """By token."""
    guests: OrderedDict[str, int] = field(factory=OrderedDict)
    """How many requests are open of samplers that no session owns, the last used last."""
    _spawned: set[asyncio.Task[Any]] = field(factory=set)
    _locator: ThreadPoolExecutor = field(factory=lambda: ThreadPoolExecutor(1, "locate"))
    _upkeep: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the worker; models to preload are loaded when this returns."""
        self.store.tidy()
        self.futures.on_finished = self._trace
        self.scheduler.start()
        self._upkeep = asyncio.create_task(self._keep_up())
        for name in self.settings.preload:
            model = await self.locate(name)
            await self.scheduler.call(partial(self.engine.preload, model))
        if not self.settings.preload:
            self.scheduler.post(self.engine.compute.warm)

    async def stop(self) -> None:
        """Give the running operation `STOP_S`, then leave it."""
        self.abandon()
        if self._upkeep is not None:
            self._upkeep.cancel()
        self._locator.shutdown(wait=False, cancel_futures=True)
        if not await asyncio.to_thread(self.scheduler.stop, STOP_S):
            logger.warning("an operation is still running; it is abandoned")
        self.engine.shelf.close()

    def abandon(self) -> None:
        """Answer everything that is pending, so that no client is left hanging."""
        self.futures.fail_all(RequestError("the engine is shutting down", "server"))
        for task in self._spawned:
            task.cancel()

    @property
    def engine(self) -> Engine:
        """For closures that the scheduler runs; never touched on the event loop."""
        return self.scheduler.engine

    async def locate(self, name: str) -> ModelName:
        """A base model's folder, which may have to be downloaded first; one at a time."""
        loop = asyncio.get_running_loop()
        folder = await loop.run_in_executor(self._locator, catalog.resolve, name)
        return ModelName(name=name, folder=folder)

    def submit(
        self, kind: str, model: Model, number: int, work: Callable[[], Outcome]
    ) -> dict[str, Any]:
        """Queue an operation of a model; what the client is told."""
        future = self.futures.open(
            kind,
            (model.id, number),
            lambda: self.scheduler.in_order(model.id, number, work),
        )
        return {"request_id": future.id, "model_id": model.id}

    def submit_free(self, kind: str, key: tuple[str, str, int], start: Start) -> dict[str, Any]:
        """Start work that has no place in a model's order; what the client is told."""
        return {"request_id": self.futures.open(kind, key, start).id}

    def adopt_model(self, model: Model) -> None:
        """Let a model that the engine has made take operations, unless its session ended."""
        try:
            self.registry.add_model(model)
        except RequestError:
            self.scheduler.post(lambda: self.engine.forget_run(model.id))
            raise
        self.scheduler.open_line(model.id)

    def adopt_sampler(self, sampler: SamplerRecord) -> None:
        """Let clients sample from what the engine holds, unless the session ended."""
        try:
            self.registry.add_sampler(sampler)
        except RequestError:
            self.scheduler.post(lambda: self.engine.forget_samplers([sampler.id]))
            raise

    @contextmanager
    def guest(self, sampler_id: str, source: Source) -> Iterator[None]:
        """A sampler that no session owns, at least as long as the block runs."""
        self.scheduler.post(lambda: self.engine.add_source(sampler_id, source))
        self.guests[sampler_id] = self.guests.pop(sampler_id, 0) + 1
        try:
            yield
        finally:
            self.guests[sampler_id] -= 1
            idle = [name for name, requests in self.guests.items() if requests == 0]
            gone = idle[: max(0, len(idle) - MAX_IDLE_GUESTS)]
            for name in gone:
                del self.guests[name]
            self.scheduler.post(lambda: self.engine.forget_samplers(gone))

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """A task of one request, cancelled when the service is to end."""
        task = asyncio.create_task(work)
        self._spawned.add(task)
        task.add_done_callback(self._spawned.discard)
        return task

    def _trace(self, future: Future) -> None:
        """Note in its session how long a request took."""
        owner = future.key[0] if isinstance(future.key, tuple) else ""
        session = self.registry.sessions.get(owner.split(":")[0])
        if session is not None:
            session.spans.append(Span(future.kind, owner, future.opened_at, future.finished_at))

    def end_session(self, session_id: str, why: str) -> None:
        """Free all that a session owns, once its queued operations have run."""
        session = self.registry.end(session_id, why)
        if session is not None:
            self._release(session)

    def _release(self, session: Session) -> None:
        logger.info("session %s %s", session.id, session.ended)
        gone = set(session.sampler_ids)
        self.futures.cancel_where(lambda key: isinstance(key, tuple) and key[0] in gone)
        self.futures.close_channels(gone)
        for model_id in session.model_ids:
            self.scheduler.close_line(model_id)
        self.scheduler.post(lambda: self.engine.forget_samplers(gone))

    async def _keep_up(self) -> None:
        """Every few seconds: forget dead clients and old results; every minute: clear the disk."""
        rounds = 0
        while True:
            await asyncio.sleep(min(SWEEP_S, self.settings.session_timeout_s / 4))
            rounds += 1
            try:
                self._sweep(disk=rounds % round(TIDY_S / SWEEP_S) == 0)
            except Exception:
                logger.exception("upkeep failed; it is tried again")

    def _sweep(self, *, disk: bool) -> None:
        for session_id in self.registry.silent():
            seconds = self.settings.session_timeout_s
            self.end_session(session_id, f"ended: no heartbeat for {seconds:g} s")
        self.futures.sweep()
        if disk:
            self.store.tidy()
            self.store.sweep()
            self.scheduler.post(self.engine.shelf.sweep)


def make_service(settings: Settings, compute: Compute) -> Service:
    """A service that is not started yet."""
    store = Store(settings.home)
    engine = Engine(compute, store, Shelf(settings.home))
    return Service(settings, Registry(settings.session_timeout_s), store, Scheduler(engine))
