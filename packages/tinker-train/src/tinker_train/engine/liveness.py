"""Whether the engine that was started for a run is alive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tinker_core import EngineError
from tinker_train.concurrency import task_group
from tinker_train.engine.connect import Engine

T = TypeVar("T")
_WATCH_S = 2.0


async def while_engine_lives(engine: Engine, work: Coroutine[Any, Any, T]) -> T:
    """Await the work; raises EngineError when the engine that was started for it has died.

    The SDK would try that one for ever. An engine of somebody else's may come back, and is waited
    for as long as the SDK does.
    """
    if engine.lives is None:
        return await work
    async with task_group() as tasks:
        watch = tasks.create_task(_watch(engine.lives, engine.description))
        result = await work
        watch.cancel()
    return result


async def _watch(lives: Callable[[], bool], description: str) -> None:
    while await asyncio.to_thread(lives):
        await asyncio.sleep(_WATCH_S)
    raise EngineError(f"{description}, has died; what was saved can be resumed")
