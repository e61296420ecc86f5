"""Users' functions, plain or async, called so that one that blocks does not stall the others."""

from __future__ import annotations

import dis
import functools
import inspect
from collections.abc import Awaitable, Callable
from types import CodeType
from typing import Any, TypeVar, overload

from tinker_rl.threads import in_thread

T = TypeVar("T")

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
