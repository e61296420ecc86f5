"""Structured concurrency: no task outlives its caller, and one error comes out as itself."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def all_of(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results, in order. The first error ends the other calls, and is raised as it is."""
    with unwrapped_errors():
        async with asyncio.TaskGroup() as tasks:
            started = [tasks.create_task(call) for call in calls]
    return [task.result() for task in started]


class unwrapped_errors:  # noqa: N801  # a context manager, used like a function
    """Raise the first error of a TaskGroup in the place of the group.

    A class, not a generator: an `ExceptionGroup` that is handled inside a generator stays its
    `__context__`, and a traceback would tell everything twice.
    """

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Unwrap, however deep."""
        first = error
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        if first is not None and first is not error:
            raise first
