"""Structured concurrency: no task outlives its caller, and one error comes out as itself."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
import types
from collections.abc import Coroutine, Generator, Iterable
from typing import Any, TypeVar

from attrs import define

T = TypeVar("T")
logger = logging.getLogger(__name__)


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


@define
class Stopwatch:
    """Adds up the seconds in which an environment's coroutines had the event loop for themselves.

    Warns, once for each name, of one that kept it for longer than `patience` seconds at a time.
    """

    name: str
    patience: float = 1.0
    seconds: float = 0.0

    @types.coroutine
    def watch(self, coroutine: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
        """The coroutine's result. What it spends in waiting for others is not counted."""
        advance, value = coroutine.send, None
        while True:
            began = time.perf_counter()
            try:
                waits_for = advance(value)
            except StopIteration as done:
                result: T = done.value
                return result
            finally:
                kept = time.perf_counter() - began
                self.seconds += kept
                if kept > self.patience:
                    _warn_of(self.name, self.patience)
            try:
                advance, value = coroutine.send, (yield waits_for)
            except BaseException as error:  # noqa: BLE001  # handed on to the coroutine
                advance, value = coroutine.throw, error


@functools.cache
def _warn_of(name: str, patience: float) -> None:
    logger.warning(
        "%s kept the event loop to itself for more than %g s, and all other episodes waited: "
        "if it blocks, do that in methods without an await, or give the environment to in_threads",
        name,
        patience,
    )
