"""Blocking calls beside the event loop."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest

from tinker_rl.user_code import Stopwatch, call, in_thread


def test_a_result_that_nobody_waits_for_any_more_disturbs_nothing() -> None:
    go_on, done, problems = threading.Event(), threading.Event(), list[Any]()

    def wait() -> None:
        go_on.wait()
        done.set()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: problems.append(context))
        task = asyncio.create_task(in_thread(wait))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        while not done.is_set():
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)  # for the call back

    asyncio.run(main())
    assert problems == []


def test_calls_run_side_by_side() -> None:
    meet = threading.Barrier(20, timeout=30)

    async def main() -> None:
        await asyncio.gather(*(in_thread(meet.wait) for _ in range(20)))

    asyncio.run(main())


async def plain_in_disguise() -> str:
    return threading.current_thread().name


async def awaits() -> str:
    await asyncio.sleep(0)
    return threading.current_thread().name


async def iterates() -> str:
    async def none() -> AsyncIterator[None]:
        return
        yield

    async for _ in none():
        pass
    return threading.current_thread().name


async def enters() -> str:
    async with asyncio.Lock():
        return threading.current_thread().name


class Called:
    async def __call__(self) -> str:
        return threading.current_thread().name


@pytest.mark.parametrize(
    ("function", "shares_the_loop"),
    [
        (awaits, True),
        (iterates, True),
        (enters, True),
        (partial(awaits), True),
        (Called(), True),
        (plain_in_disguise, False),
        (lambda: threading.current_thread().name, False),
    ],
)
def test_a_function_that_never_lets_others_run_has_a_thread(
    function: Callable[[], Any], shares_the_loop: bool
) -> None:
    name = asyncio.run(call(function))
    assert (name == threading.main_thread().name) == shares_the_loop


async def breaks() -> None:
    raise StopIteration


def test_what_is_raised_in_such_a_thread_arrives() -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(call(breaks))


def test_a_coroutine_that_keeps_the_loop_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    async def blocks() -> None:
        time.sleep(0.02)
        await asyncio.sleep(0)

    for patience in (60.0, 0.01, 0.01):
        watch = Stopwatch("my_world.Slow", patience=patience)
        asyncio.run(run(watch.watch(blocks())))
        assert watch.seconds >= 0.02
    (record,) = caplog.records
    assert "my_world.Slow blocked the event loop for more than 0.01 s" in record.message
    assert "in_threads" in record.message


async def run(waits_for: Any) -> None:
    await waits_for
