"""The service behind the routes: sessions, futures, the worker, the stores, and their upkeep."""

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
from tinker_local.service.backend import Backend
from tinker_local.service.futures import Future, FutureTable, Outcome, Start
from tinker_local.service.loaded_models import LoadedModels, ModelLocation, SamplerSource
from tinker_local.service.sessions import (
    ModelRecord,
    SamplerRecord,
    Session,
    SessionRegistry,
    Span,
)
from tinker_local.service.worker import Worker
from tinker_local.storage.checkpoint_store import CheckpointStore
from tinker_local.storage.snapshot_store import SnapshotStore

logger = logging.getLogger(__name__)
T = TypeVar("T")

UPKEEP_S = 5.0
DISK_UPKEEP_S = 60.0
STOP_S = 1.0
"""The time that a shutdown waits for work in progress. Files are written whole or not at all."""
MAX_IDLE_UNOWNED = 4
"""Samplers without a session and without requests that keep their weights."""


@frozen(kw_only=True)
class Settings:
    """The settings of a server."""

    home: Path
    key: str | None = None
    """The key that clients must send. None admits everyone, and needs a loopback address."""
    allowed_hosts: tuple[str, ...] = ()
    """Names in the Host header that are admitted without a key, beside those of loopback."""
    session_timeout_s: float = 300.0
    """A session without a heartbeat for so long (30 heartbeats) ends."""
    preload: tuple[str, ...] = ()
    """Base models to load at the start."""


@frozen(kw_only=True)
class Download:
    """Files that can be fetched by a token."""

    files: dict[str, Path | bytes]
    until: float
    """Unix time."""


@define(eq=False)
class Service:
    """The state of one server."""

    settings: Settings
    registry: SessionRegistry
    checkpoints: CheckpointStore
    worker: Worker
    futures: FutureTable = field(factory=FutureTable)
    downloads: dict[str, Download] = field(factory=dict)
    """By token."""
    unowned: OrderedDict[str, int] = field(factory=OrderedDict)
    """Open requests per sampler that no session owns, in LRU order."""
    _tasks: set[asyncio.Task[Any]] = field(factory=set)
    _locator: ThreadPoolExecutor = field(factory=lambda: ThreadPoolExecutor(1, "locate"))
    _upkeep: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the worker. The models to preload are loaded when this returns."""
        self.checkpoints.clean_up()
        self.futures.on_finished = self._record_span
        self.worker.start()
        self._upkeep = asyncio.create_task(self._run_upkeep())
        for name in self.settings.preload:
            model = await self.locate(name)
            await self.worker.call(partial(self.models.preload, model))
        if not self.settings.preload:
            self.worker.post(self.models.backend.warm_up)

    async def stop(self) -> None:
        """Stop. Work in progress gets `STOP_S` seconds to finish."""
        self.abandon()
        if self._upkeep is not None:
            self._upkeep.cancel()
        self._locator.shutdown(wait=False, cancel_futures=True)
        if not await asyncio.to_thread(self.worker.stop, STOP_S):
            logger.warning("an operation is still running; it is abandoned")
        self.models.snapshots.close()

    def abandon(self) -> None:
        """Fail all pending requests, so that no client waits for a server that is gone."""
        self.futures.fail_all(RequestError("the engine is shutting down", "server"))
        for task in self._tasks:
            task.cancel()

    @property
    def models(self) -> LoadedModels:
        """The worker's models. Only functions that the worker runs may use them."""
        return self.worker.models

    async def locate(self, name: str) -> ModelLocation:
        """The folder of a base model, which may have to be downloaded. One model at a time."""
        loop = asyncio.get_running_loop()
        folder = await loop.run_in_executor(self._locator, catalog.resolve, name)
        return ModelLocation(name=name, folder=folder)

    def submit(
        self, kind: str, model: ModelRecord, number: int, work: Callable[[], Outcome]
    ) -> dict[str, Any]:
        """Queue an operation of a model; the reply to the client."""
        future = self.futures.open(
            kind,
            (model.id, number),
            lambda: self.worker.run_operation(model.id, number, work),
        )
        return {"request_id": future.id, "model_id": model.id}

    def submit_unordered(
        self, kind: str, key: tuple[str, str, int], start: Start
    ) -> dict[str, Any]:
        """Start work outside of any model's order of operations; the reply to the client."""
        return {"request_id": self.futures.open(kind, key, start).id}

    def add_model(self, model: ModelRecord) -> None:
        """Accept operations of a loaded model, unless its session has ended meanwhile."""
        try:
            self.registry.add_model(model)
        except RequestError:
            self.worker.post(lambda: self.models.unload_run(model.id))
            raise
        self.worker.open_queue(model.id)

    def add_sampler(self, sampler: SamplerRecord) -> None:
        """Accept requests to a loaded sampler, unless its session has ended meanwhile."""
        try:
            self.registry.add_sampler(sampler)
        except RequestError:
            self.worker.post(lambda: self.models.remove_samplers([sampler.id]))
            raise

    @contextmanager
    def unowned_sampler(self, sampler_id: str, source: SamplerSource) -> Iterator[None]:
        """A sampler that no session owns. It lives at least as long as the block."""
        self.worker.post(lambda: self.models.add_sampler(sampler_id, source))
        self.unowned[sampler_id] = self.unowned.pop(sampler_id, 0) + 1
        try:
            yield
        finally:
            self.unowned[sampler_id] -= 1
            idle = [name for name, requests in self.unowned.items() if requests == 0]
            evicted = idle[: max(0, len(idle) - MAX_IDLE_UNOWNED)]
            for name in evicted:
                del self.unowned[name]
            self.worker.post(lambda: self.models.remove_samplers(evicted))

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """A task of one request, which is cancelled when the server stops."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _record_span(self, future: Future) -> None:
        owner = future.key[0] if isinstance(future.key, tuple) else ""
        session = self.registry.sessions.get(owner.split(":")[0])
        if session is not None:
            session.spans.append(Span(future.kind, owner, future.opened_at, future.finished_at))

    def end_session(self, session_id: str, why: str) -> None:
        """End a session. What it owns is freed after its queued operations have run."""
        session = self.registry.end(session_id, why)
        if session is not None:
            self._free(session)

    def _free(self, session: Session) -> None:
        logger.info("session %s %s", session.id, session.ended)
        samplers = set(session.sampler_ids)
        self.futures.cancel_where(lambda key: isinstance(key, tuple) and key[0] in samplers)
        self.futures.close_channels(samplers)
        for model_id in session.model_ids:
            self.worker.close_queue(model_id)
        self.worker.post(lambda: self.models.remove_samplers(samplers))

    async def _run_upkeep(self) -> None:
        """Every few seconds end dead sessions and drop old results; every minute clean the disk."""
        rounds = 0
        while True:
            await asyncio.sleep(min(UPKEEP_S, self.settings.session_timeout_s / 4))
            rounds += 1
            try:
                self._upkeep_once(disk=rounds % round(DISK_UPKEEP_S / UPKEEP_S) == 0)
            except Exception:
                logger.exception("upkeep failed; it will be tried again")

    def _upkeep_once(self, *, disk: bool) -> None:
        for session_id in self.registry.timed_out():
            seconds = self.settings.session_timeout_s
            self.end_session(session_id, f"ended: no heartbeat for {seconds:g} s")
        self.futures.drop_old()
        if disk:
            self.checkpoints.clean_up()
            self.checkpoints.delete_expired()
            self.worker.post(self.models.snapshots.clean_up)


def make_service(settings: Settings, backend: Backend) -> Service:
    """A service that is not started yet."""
    checkpoints = CheckpointStore(settings.home)
    models = LoadedModels(backend, checkpoints, SnapshotStore(settings.home))
    registry = SessionRegistry(settings.session_timeout_s)
    return Service(settings, registry, checkpoints, Worker(models))
