"""Users' functions, plain or async, called so that one that blocks does not stall the others."""

from __future__ import annotations

import _thread
import asyncio
import contextvars
import dis
import functools
import inspect
import logging
import time
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import suppress
from types import CodeType
from typing import Any, ParamSpec, TypeVar, overload

from attrs import define

P = ParamSpec("P")
T = TypeVar("T")
logger = logging.getLogger(__name__)

_AWAITS = {"GET_AWAITABLE", "GET_ANEXT"}  # what await, async with and async for compile to


@overload
async def call(function: Callable[..., Awaitable[T]], /, *args: Any, **kwargs: Any) -> T: ...
@overload
async def call(function: Callable[..., T | Awaitable[T]], /, *args: Any, **kwargs: Any) -> T: ...
async def call(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """The function's result.

    One that lets others run, an async function with an `await` in it, shares the event loop. Any
    other one has a thread: plain functions, and async ones that never wait for anything.
    """
    if never_awaits(function):
        return await in_thread(_run_through, function, *args, **kwargs)
    if inspect.iscoroutinefunction(function):
        return await function(*args, **kwargs)
    result = await in_thread(function, *args, **kwargs)
    return await result if inspect.isawaitable(result) else result


def never_awaits(function: Callable[..., Any]) -> bool:
    """Whether it is an async function whose code has no `await`, `async with` or `async for`."""
    code = getattr(function, "__code__", None)
    return isinstance(code, CodeType) and _never_awaits(code)


@functools.cache
def _never_awaits(code: CodeType) -> bool:
    waits = any(instruction.opname in _AWAITS for instruction in dis.get_instructions(code))
    return bool(code.co_flags & inspect.CO_COROUTINE) and not waits


def _run_through(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """The result of a coroutine that has nothing to wait for, without an event loop."""
    try:
        function(*args, **kwargs).send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError(f"{function!r:.80} waits, but its code has no await")


async def in_thread(call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """The call's result, from a thread of its own.

    Not `asyncio.to_thread`: its pool has a handful of threads, so that hanging calls stall the
    others, and the interpreter waits for them at the end. Nobody waits for these, one for each
    call; nor for their start, as `threading.Thread` does, which holds up the event loop.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def settle(set_outcome: Callable[[Any], None], outcome: Any) -> None:
        if not future.done():  # cancelled in the meantime
            set_outcome(outcome)

    def run() -> None:
        try:
            result = context.run(call, *args, **kwargs)
        except StopIteration as error:  # a future refuses it
            refused = RuntimeError(f"{call!r:.60} raised StopIteration")
            refused.__cause__ = error
            _call_back(loop, settle, future.set_exception, refused)
        except BaseException as error:  # noqa: BLE001  # handed on whole to who awaits it
            _call_back(loop, settle, future.set_exception, error)
        else:
            _call_back(loop, settle, future.set_result, result)

    _thread.start_new_thread(run, ())
    return await future


def _call_back(loop: asyncio.AbstractEventLoop, settle: Callable[..., None], *args: Any) -> None:
    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(settle, *args)


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
