"""Sampling for an OpenAI request: at once, or as a stream of tokens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from attrs import define, evolve, field, frozen
from starlette.requests import ClientDisconnect, Request

from tinker_local.api.http import Call
from tinker_local.errors import RequestError
from tinker_local.openai.chat_tokenizer import ChatTokenizer
from tinker_local.request_types import SampledToken, SampleRequest, SampleResult
from tinker_local.service.loaded_models import SamplerSource
from tinker_local.service.service import Service
from tinker_local.storage.checkpoint_path import SCHEME, parse_path

T = TypeVar("T")


@frozen(kw_only=True, eq=False)
class ServedModel:
    """A base model or a checkpoint to sample from, and its tokenizer."""

    sampler_id: str
    source: SamplerSource
    tokenizer: ChatTokenizer


async def find_model(call: Call, model: str) -> ServedModel:
    """The base model of this name, or the checkpoint at this path."""
    service = call.service
    path, name, sampler_id = None, model, f"openai:{model}"
    if model.startswith(SCHEME):
        path = parse_path(model)
        metadata = service.checkpoints.metadata(path)
        name = metadata.base_model
        sampler_id += f":{metadata.created.isoformat()}"  # the path can be overwritten
    location = await service.locate(name)
    return ServedModel(
        sampler_id=sampler_id,
        source=SamplerSource(model=location, path=path),
        tokenizer=await call.request.app.state.chat_tokenizers.get(service, location),
    )


@define(eq=False)
class Sampling:
    """All samples of one HTTP request."""

    service: Service
    model: ServedModel
    requests: list[SampleRequest]
    """One for each prompt."""
    results: list[SampleResult] = field(factory=list)
    """Set when a stream has ended."""

    async def run(self) -> list[SampleResult]:
        """Sample at once."""
        with self._task(self.requests) as task:
            return await _result(task)

    async def stream(self) -> AsyncIterator[tuple[int, SampledToken]]:
        """Each token as soon as it is drawn, with the index of its prompt."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[tuple[int, SampledToken] | None] = asyncio.Queue()

        def put(index: int) -> Callable[[SampledToken], None]:
            def on_token(token: SampledToken) -> None:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(queue.put_nowait, (index, token))

            return on_token

        requests = [evolve(r, on_token=put(i)) for i, r in enumerate(self.requests)]
        with self._task(requests) as task:
            task.add_done_callback(lambda _: queue.put_nowait(None))  # after all tokens
            while (item := await queue.get()) is not None:
                yield item
            self.results = await _result(task)

    @contextmanager
    def _task(self, requests: list[SampleRequest]) -> Iterator[asyncio.Task[list[SampleResult]]]:
        """A task that samples; it is cancelled when the block ends."""
        with self.service.unowned_sampler(self.model.sampler_id, self.model.source):
            task = self.service.spawn(self._sample(requests))
            try:
                yield task
            finally:
                task.cancel()

    async def _sample(self, requests: list[SampleRequest]) -> list[SampleResult]:
        sample, sampler_id = self.service.worker.sample, self.model.sampler_id
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(sample(sampler_id, one)) for one in requests]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures
        return [task.result() for task in tasks]


async def _result(task: asyncio.Task[T]) -> T:
    await asyncio.wait([task])
    if task.cancelled():
        raise RequestError("the engine is shutting down", "server")
    return task.result()


async def while_connected(request: Request, work: asyncio.Future[T]) -> T:
    """The result of the work. If the client disconnects, it is cancelled: `ClientDisconnect`."""
    gone = asyncio.ensure_future(_disconnected(request))
    both: set[asyncio.Future[Any]] = {work, gone}
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise ClientDisconnect
        return work.result()
    finally:
        work.cancel()
        gone.cancel()


async def _disconnected(request: Request) -> None:
    """Return when the client has disconnected. The body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
