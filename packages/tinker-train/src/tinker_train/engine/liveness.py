"""Work on a connected engine, which ends when a local engine dies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from tinker_core import ConfigError, EngineError
from tinker_train.concurrency import task_group
from tinker_train.engine.connect import Engine, connect

T = TypeVar("T")
_WATCH_S = 2.0


def run_on_engine(work: Callable[[Engine], Coroutine[Any, Any, T]], *, instead: str) -> T:
    """Connect, run the work in an event loop of its own, and return its result.

    `instead` says what a caller with a running event loop uses. Raises ConfigError for such a
    caller, and EngineError if there is no engine or if an engine that was started for the work
    dies.
    """
    refuse_running_loop(instead)
    with connect() as engine:
        return asyncio.run(while_engine_lives(engine, work(engine)))


def refuse_running_loop(instead: str) -> None:
    """Raise ConfigError inside a running event loop, such as that of a notebook."""
    with suppress(RuntimeError):
        asyncio.get_running_loop()
        raise ConfigError(
            "an event loop is running already, as in a notebook or an async function; "
            f"use {instead} there"
        )


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
