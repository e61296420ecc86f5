"""Ending a run whose local engine has died."""

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
    """Await the work; raises EngineError if the engine that was started for it dies.

    The SDK would retry a dead local engine for ever. Other engines may come back, so the SDK's own
    retries apply to them.
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
    raise EngineError(f"{description}, has died; resume the run from its last checkpoint")
