"""Evaluators run concurrently on one snapshot."""

import asyncio
from collections.abc import Callable

import pytest

from tinker_evals import (
    Model,
    evaluate,
)


def test_a_function_is_an_evaluator(scripted: Callable[..., Model]) -> None:
    async def length(client: object) -> dict[str, float]:
        return {"length": 3.0}

    found = asyncio.run(evaluate(scripted("").client, {"mine": length, "again": length}))
    assert found == {"mine/length": 3.0, "again/length": 3.0}


def test_evaluators_run_at_the_same_time() -> None:
    barrier = asyncio.Barrier(2)

    async def waits_for_the_other(client: object) -> dict[str, float]:
        place = await asyncio.wait_for(barrier.wait(), 5)  # alone it would wait in vain
        return {"place": float(place)}

    found = asyncio.run(evaluate(None, {"a": waits_for_the_other, "b": waits_for_the_other}))
    assert found.keys() == {"a/place", "b/place"}
    assert set(found.values()) == {0.0, 1.0}


def test_an_evaluator_that_fails_stops_the_others_and_is_heard() -> None:
    stopped = []

    async def fails(client: object) -> dict[str, float]:
        raise ValueError("this one")

    async def waits(client: object) -> dict[str, float]:
        try:
            await asyncio.sleep(60)
        finally:
            stopped.append(True)
        return {}

    with pytest.raises(ValueError, match="this one"):
        asyncio.run(evaluate(None, {"a": waits, "b": fails}))
    assert stopped
