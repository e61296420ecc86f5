"""Structured concurrency: a task group that raises its first error itself; a bounded gather."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


def task_group() -> asyncio.TaskGroup:
    """An `asyncio.TaskGroup` that raises the first error itself instead of an ExceptionGroup.

    The error of the block comes first, then that of the first task to fail. The other tasks are
    cancelled because of it, so their errors add nothing.
    """
    return _TaskGroup()


async def gather(
    coroutines: Iterable[Coroutine[Any, Any, T]], *, limit: int | None = None
) -> list[T]:
    """Run coroutines concurrently, at most `limit` at once, and return their results in order.

    The first error cancels the others and is raised as itself. Give a generator: it is advanced
    only when there is room for its next coroutine.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1, not {limit}")
    room = None if limit is None else asyncio.Semaphore(limit)
    remaining = iter(coroutines)
    tasks: list[asyncio.Task[T]] = []
    try:
        async with task_group() as group:
            while True:
                if room is not None:
                    await room.acquire()
                coroutine = next(remaining, None)
                if coroutine is None:
                    break
                tasks.append(group.create_task(coroutine))
                if room is not None:
                    tasks[-1].add_done_callback(lambda _: room.release())
    finally:
        if isinstance(coroutines, Sequence):
            for coroutine in coroutines[len(tasks) :]:
                coroutine.close()  # Python warns of a coroutine that is never awaited
    return [task.result() for task in tasks]


class _TaskGroup(asyncio.TaskGroup):
    async def __aexit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        try:
            await super().__aexit__(kind, error, traceback)
            return
        except BaseExceptionGroup as errors:
            if error is not None and not isinstance(error, asyncio.CancelledError):
                return  # the `async with` statement raises the error of its block
            first = _first(errors)
        context = first.__context__
        try:
            raise first
        finally:
            first.__context__ = context  # `raise` would add the cancellation of the block to it


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
