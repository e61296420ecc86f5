"""Accepted requests, their outcomes, and how long those are kept."""

from __future__ import annotations

import asyncio

from attrs import define

from tinker_local.errors import RequestError
from tinker_local.service.futures import KEEP_READ_S, KEEP_UNREAD_S, FutureTable


@define
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


async def answer():
    return {"answer": 42}


async def never():
    await asyncio.Event().wait()


def run(scenario):
    """Each test is one scenario on an event loop of its own."""
    return asyncio.run(scenario())


def test_the_same_key_is_the_same_request_and_runs_once():
    async def scenario():
        runs = []

        async def count():
            runs.append(1)
            return {}

        table = FutureTable()
        first, second = table.open("x", ("m", 1), count), table.open("x", ("m", 1), count)
        other = table.open("x", ("m", 2), count)
        await table.wait(other, 1)
        assert first is second
        assert other is not first
        assert len(runs) == 2

    run(scenario)


def test_a_read_result_is_kept_for_a_while():
    async def scenario():
        clock = Clock()
        table = FutureTable(clock)
        future = table.open("x", 1, answer)
        assert await table.wait(future, 1) == {"answer": 42}
        clock.now = KEEP_READ_S
        table.drop_old()
        assert await table.wait(table.by_id[future.id], 1) == {"answer": 42}
        clock.now = 2 * KEEP_READ_S + 1
        table.drop_old()
        assert not table.by_id
        assert not table.by_key

    run(scenario)


def test_an_unread_result_is_kept_longer_but_not_forever():
    async def scenario():
        clock = Clock()
        table = FutureTable(clock)
        future = table.open("x", 1, answer)
        await future.done.wait()
        clock.now = KEEP_UNREAD_S
        table.drop_old()
        assert table.by_id
        clock.now = KEEP_UNREAD_S + 1
        table.drop_old()
        assert not table.by_id

    run(scenario)


def test_an_unfinished_request_is_never_dropped():
    async def scenario():
        clock = Clock()
        table = FutureTable(clock)
        future = table.open("x", 1, never)
        clock.now = 10 * KEEP_UNREAD_S
        table.drop_old()
        assert await table.wait(future, 0.001) is None
        table.fail_all(RequestError("over"))

    run(scenario)


def test_a_failure_is_an_outcome_with_its_category(caplog):
    async def scenario():
        async def refuse():
            raise RequestError("no such loss", "user")

        async def break_down():
            raise ZeroDivisionError("oops")

        table = FutureTable()
        refused = await table.wait(table.open("x", 1, refuse), 1)
        broken = await table.wait(table.open("x", 2, break_down), 1)
        assert (str(refused), refused.category) == ("no such loss", "user")
        assert (str(broken), broken.category) == ("ZeroDivisionError: oops", "server")

    run(scenario)
    assert "ZeroDivisionError" in caplog.text


def test_a_request_can_be_cancelled_before_it_starts():
    async def scenario():
        table = FutureTable()
        future = table.open("sample", 1, never)
        table.cancel(future.id)
        assert str(await table.wait(future, 1)) == "cancelled"
        table.cancel("no such id")

    run(scenario)


def test_a_finished_result_survives_a_late_cancel():
    async def scenario():
        table = FutureTable()
        future = table.open("sample", 1, answer)
        await table.wait(future, 1)
        table.cancel(future.id)
        assert await table.wait(future, 1) == {"answer": 42}

    run(scenario)


def test_a_poller_gets_each_finished_sample_once():
    async def scenario():
        table = FutureTable()
        first = table.open("sample", 1, answer, channel=("s", 0))
        channel = table.channel("s", 0)
        finished, cursor = await channel.wait(0, 1)
        assert [future.id for future in finished] == [first.id]
        again, _ = await channel.wait(0, 0)
        assert again == finished, "a lost reply is repeated"
        second = table.open("sample", 2, answer, channel=("s", 0))
        finished, cursor = await channel.wait(cursor, 1)
        assert [future.id for future in finished] == [second.id]
        assert await channel.wait(cursor, 0) == ([], cursor)

    run(scenario)


def test_the_pollers_of_two_clones_are_separate():
    async def scenario():
        table = FutureTable()
        table.open("sample", 1, answer, channel=("s", 0))
        assert (await table.channel("s", 1).wait(0, 0.01))[0] == []
        assert len((await table.channel("s", 0).wait(0, 1))[0]) == 1

    run(scenario)


def test_an_acknowledged_result_is_dropped():
    async def scenario():
        table = FutureTable()
        future = table.open("sample", 1, answer)
        table.forget(future.id)
        assert future.id in table.by_id, "it is not finished"
        await table.wait(future, 1)
        table.forget(future.id)
        assert future.id not in table.by_id

    run(scenario)
