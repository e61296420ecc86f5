"""Structured concurrency."""

import asyncio
import traceback

import pytest

from tinker_train import gather, task_group


async def fail(error):
    await asyncio.sleep(0)
    raise error


async def nested(depth, error):
    async with task_group() as tasks:
        if depth:
            tasks.create_task(nested(depth - 1, error))
        else:
            tasks.create_task(fail(error))
        await asyncio.sleep(60)


async def plain(depth, error):
    if depth:
        await plain(depth - 1, error)
    else:
        await fail(error)


def raised_by(work):
    with pytest.raises(BaseException) as caught:  # noqa: PT011  # each test checks which
        asyncio.run(work)
    return caught.value


def lines_of(error):
    return "".join(traceback.format_exception(error)).splitlines()


def test_an_error_of_a_nested_task_is_raised_as_itself():
    error = KeyError("row 3")
    assert raised_by(nested(3, error)) is error


def test_the_traceback_of_a_nested_task_tells_the_error_once():
    lines = lines_of(raised_by(nested(3, KeyError("row 3"))))
    assert sum("row 3" in line for line in lines) == 1
    assert not [line for line in lines if "ExceptionGroup" in line or "Cancelled" in line]
    assert not [line for line in lines if "exception was" in line or "During handling" in line]


def test_the_traceback_of_a_task_is_hardly_longer_than_that_of_a_plain_await():
    lines = len(lines_of(raised_by(nested(3, KeyError("row 3")))))
    awaited = len(lines_of(raised_by(plain(3, KeyError("row 3")))))
    assert lines <= awaited + 4 * 3  # one frame of the task group a level


def test_the_context_and_the_cause_of_the_error_stay():
    async def convert(explicitly):
        try:
            {}["name"]
        except KeyError as missing:
            if explicitly:
                raise ValueError("no name") from missing
            raise ValueError("no name")  # noqa: B904  # the implicit context is what is tested

    async def run(explicitly):
        async with task_group() as tasks:
            tasks.create_task(convert(explicitly))
            await asyncio.sleep(60)

    assert isinstance(raised_by(run(explicitly=True)).__cause__, KeyError)
    implicit = raised_by(run(explicitly=False))
    assert implicit.__cause__ is None
    assert isinstance(implicit.__context__, KeyError)


def test_the_error_of_the_block_goes_before_those_of_the_tasks_that_it_cancels():
    async def fail_at_cancellation():
        try:
            await asyncio.sleep(60)
        finally:
            raise OSError("cleanup failed")

    async def run():
        async with task_group() as tasks:
            tasks.create_task(fail_at_cancellation())
            await asyncio.sleep(0)
            raise KeyError("first")

    assert isinstance(raised_by(run()), KeyError)


def test_a_cancellation_from_outside_passes_through():
    async def run():
        async with task_group() as tasks:
            tasks.create_task(asyncio.sleep(60))

    async def scenario():
        task = asyncio.create_task(run())
        await asyncio.sleep(0.01)
        task.cancel()
        await task

    assert isinstance(raised_by(scenario()), asyncio.CancelledError)


def test_results_are_in_the_order_of_the_coroutines():
    async def later(number):
        for _ in range(5 - number):
            await asyncio.sleep(0)
        return number

    for limit in (None, 1, 2, 99):
        found = asyncio.run(gather((later(i) for i in range(5)), limit=limit))
        assert found == list(range(5))
    assert asyncio.run(gather([])) == []


@pytest.mark.parametrize("limit", [1, 3, None])
def test_no_more_than_the_limit_run_at_once(limit):
    running = most = 0

    async def work():
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    asyncio.run(gather([work() for _ in range(10)], limit=limit))
    assert most == (limit or 10)


def test_a_generator_is_advanced_only_when_there_is_room():
    created = []

    def generate(until):
        for number in range(10):
            created.append(number)
            yield until.wait()

    async def scenario():
        until = asyncio.Event()
        work = asyncio.create_task(gather(generate(until), limit=3))
        await asyncio.sleep(0.01)
        assert created == [0, 1, 2]
        until.set()
        await work

    asyncio.run(scenario())
    assert len(created) == 10


def test_the_first_error_ends_the_others_and_the_coroutines_that_did_not_start():
    ended = []

    async def wait():
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(1)

    error = KeyError("row 3")
    # a coroutine that is never awaited would be a warning, and so an error
    assert raised_by(gather([wait(), fail(error), wait(), wait()], limit=2)) is error
    assert ended == [1]


def test_a_limit_without_room_is_refused():
    with pytest.raises(ValueError, match="limit must be at least 1, not 0"):
        asyncio.run(gather([], limit=0))
