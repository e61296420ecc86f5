"""Ending a run whose local engine has died."""

import asyncio

import pytest

from tinker_core import ConfigError, EngineError
from tinker_train import Engine, run_on_engine, while_engine_lives


@pytest.fixture
def make_engine(monkeypatch):
    """An engine that says whether it lives."""
    monkeypatch.setattr("tinker_train.engine.liveness._WATCH_S", 0.01)
    return lambda lives: Engine(service=None, kind="local", description="the double", lives=lives)


def test_an_engine_that_dies_takes_the_waiting_with_it(make_engine):
    lives = iter([True, False])
    engine = make_engine(lives=lambda: next(lives))
    with pytest.raises(EngineError, match="the double, has died; resume the run"):
        asyncio.run(while_engine_lives(engine, asyncio.sleep(60)))


@pytest.mark.parametrize("lives", [None, lambda: True])
def test_work_that_is_done_comes_back_from_an_engine_that_lives(make_engine, lives):
    work = asyncio.sleep(0, result="done")
    assert asyncio.run(while_engine_lives(make_engine(lives=lives), work)) == "done"


def test_a_running_event_loop_is_refused_before_an_engine_is_started(monkeypatch):
    monkeypatch.setattr("tinker_train.engine.liveness.connect", pytest.fail)

    async def caller():
        run_on_engine(lambda engine: asyncio.sleep(0), instead="`await sample()`")

    with pytest.raises(ConfigError, match="use `await sample"):
        asyncio.run(caller())
