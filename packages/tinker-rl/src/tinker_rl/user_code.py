"""Call users' functions, plain or async, so that one that blocks does not hold up the others."""

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

from tinker_core import EngineError
from tinker_rl.errors import EnvironmentFailure

P = ParamSpec("P")
T = TypeVar("T")
logger = logging.getLogger(__name__)

_AWAITS = {"GET_AWAITABLE", "GET_ANEXT"}  # bytecode of await, async with and async for


async def call_environment(
    doing: str,
    function: Callable[..., Awaitable[T]],
    *args: Any,
    stopwatch: Stopwatch | None = None,
) -> T:
    """The result of an environment's method. Its exceptions become EnvironmentFailure.

    `doing` names the call in the message. EngineError passes unchanged: a failed call of an
    opponent's or a judge's sampler is not the environment's fault.
    """
    calling = call(function, *args)
    try:
        return await (calling if stopwatch is None else stopwatch.watch(calling))
    except EngineError:
        raise
    except Exception as error:
        raise EnvironmentFailure(f"{doing}: {type(error).__name__}: {error}") from error


@overload
async def call(function: Callable[..., Awaitable[T]], /, *args: Any, **kwargs: Any) -> T: ...
@overload
async def call(function: Callable[..., T | Awaitable[T]], /, *args: Any, **kwargs: Any) -> T: ...
async def call(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """The function's result.

    An async function with an `await` in it runs on the event loop. Plain functions, and async ones
    that never await, run in a thread of their own.
    """
    if never_awaits(function):
        return await in_thread(_run_through, function, *args, **kwargs)
    if inspect.iscoroutinefunction(function):
        return await function(*args, **kwargs)
    result = await in_thread(function, *args, **kwargs)
    return await result if inspect.isawaitable(result) else result


def never_awaits(function: Callable[..., Any]) -> bool:
    """True for an async function without `await`, `async with` or `async for` in its code."""
    code = getattr(function, "__code__", None)
    return isinstance(code, CodeType) and _never_awaits(code)


@functools.cache
def _never_awaits(code: CodeType) -> bool:
    waits = any(instruction.opname in _AWAITS for instruction in dis.get_instructions(code))
    return bool(code.co_flags & inspect.CO_COROUTINE) and not waits


def _run_through(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """The result of a coroutine that never suspends, without an event loop."""
    try:
        function(*args, **kwargs).send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError(f"{function!r:.80} suspended, but its code has no await")


async def in_thread(call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """The call's result, from a new thread.

    `asyncio.to_thread` has a small pool: calls that hang would block later calls, and the
    interpreter waits for them at exit. `threading.Thread` blocks the event loop until the thread
    has started. A bare thread for each call does neither.
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
        except BaseException as error:  # noqa: BLE001  # raised again where the call is awaited
            _call_back(loop, settle, future.set_exception, error)
        else:
            _call_back(loop, settle, future.set_result, result)

    _thread.start_new_thread(run, ())
    return await future


def _call_back(loop: asyncio.AbstractEventLoop, settle: Callable[..., None], *args: Any) -> None:
    with suppress(RuntimeError):  # the loop is closed, so nobody awaits the result
        loop.call_soon_threadsafe(settle, *args)


@define
class Stopwatch:
    """Adds up the time in which an environment's coroutines block the event loop.

    Logs one warning for each name whose coroutine blocks it longer than `patience` seconds.
    """

    name: str
    patience: float = 1.0
    seconds: float = 0.0

    @types.coroutine
    def watch(self, coroutine: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
        """The coroutine's result. Time in which it is suspended does not count."""
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
            except BaseException as error:  # noqa: BLE001  # thrown into the coroutine
                advance, value = coroutine.throw, error


@functools.cache
def _warn_of(name: str, patience: float) -> None:
    logger.warning(
        "%s blocked the event loop for more than %g s, and all other episodes waited: do blocking "
        "work in methods without an await, or wrap the environment in in_threads",
        name,
        patience,
    )
