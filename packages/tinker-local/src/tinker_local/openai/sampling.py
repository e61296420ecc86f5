"""What an OpenAI request is sampled from, and the sampling: at once or token by token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from attrs import define, evolve, field, frozen
from starlette.requests import ClientDisconnect, Request

from tinker_local.api.http import Call
from tinker_local.errors import RequestError
from tinker_local.openai.chat_tokenizer import Codec
from tinker_local.request_types import Drawn, SampleRequest, SampleResult
from tinker_local.service.loaded_models import Source
from tinker_local.service.service import Service
from tinker_local.storage.checkpoint_path import SCHEME, parse_path

T = TypeVar("T")


@frozen(kw_only=True, eq=False)
class Voice:
    """A model that can speak: what to sample from, and how its tokens are read."""

    sampler_id: str
    source: Source
    codec: Codec


async def open_voice(call: Call, model: str) -> Voice:
    """The base model of this name, or the checkpoint at this path on its base model."""
    service = call.service
    path, name, sampler_id = None, model, f"openai:{model}"
    if model.startswith(SCHEME):
        path = parse_path(model)
        meta = service.store.meta(path)
        name = meta.base_model
        sampler_id += f":{meta.created.isoformat()}"  # a path can be written anew
    located = await service.locate(name)
    return Voice(
        sampler_id=sampler_id,
        source=Source(model=located, path=path),
        codec=await call.request.app.state.chat_tokenizers.get(service, located),
    )


@define(eq=False)
class Sampling:
    """All samples of one HTTP request."""

    service: Service
    voice: Voice
    requests: list[SampleRequest]
    """One for each prompt."""
    results: list[SampleResult] = field(factory=list)
    """Of a stream that has ended."""

    async def finish(self) -> list[SampleResult]:
        """Sample at once."""
        with self._running(self.requests) as task:
            return await _outcome(task)

    async def stream(self) -> AsyncIterator[tuple[int, Drawn]]:
        """The index of the prompt and a token, for each token as soon as it is drawn."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[tuple[int, Drawn] | None] = asyncio.Queue()

        def teller(index: int) -> Callable[[Drawn], None]:
            def tell(drawn: Drawn) -> None:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(queue.put_nowait, (index, drawn))

            return tell

        telling = [evolve(r, on_token=teller(i)) for i, r in enumerate(self.requests)]
        with self._running(telling) as task:
            task.add_done_callback(lambda _: queue.put_nowait(None))  # behind all that was told
            while (told := await queue.get()) is not None:
                yield told
            self.results = await _outcome(task)

    @contextmanager
    def _running(self, requests: list[SampleRequest]) -> Iterator[asyncio.Task[list[SampleResult]]]:
        """The requests being sampled, until the block ends."""
        with self.service.guest(self.voice.sampler_id, self.voice.source):
            task = self.service.spawn(self._sample(requests))
            try:
                yield task
            finally:
                task.cancel()

    async def _sample(self, requests: list[SampleRequest]) -> list[SampleResult]:
        sample, sampler_id = self.service.scheduler.sample, self.voice.sampler_id
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(sample(sampler_id, one)) for one in requests]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures
        return [task.result() for task in tasks]


async def _outcome(task: asyncio.Task[T]) -> T:
    await asyncio.wait([task])
    if task.cancelled():
        raise RequestError("the engine is shutting down", "server")
    return task.result()


async def while_connected(request: Request, work: asyncio.Future[T]) -> T:
    """The outcome of the work; `ClientDisconnect`, and the work cancelled, when nobody waits."""
    gone = asyncio.ensure_future(_hang_up(request))
    both: set[asyncio.Future[Any]] = {work, gone}
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise ClientDisconnect
        return work.result()
    finally:
        work.cancel()
        gone.cancel()


async def _hang_up(request: Request) -> None:
    """Return when the client is gone; its body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
