"""Functions that block, run beside the event loop."""

from __future__ import annotations

import _thread
import asyncio
import contextvars
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


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
