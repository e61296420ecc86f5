"""Failures of the engine and the grader are retried; a wrong answer is not a failure."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import tinker
from attrs import evolve
from tinker import types

from tinker_core import EngineError
from tinker_evals import (
    Grade,
    GradingError,
    Item,
    JsonlFile,
    Model,
    Retry,
    Settings,
    Task,
    run_task,
)

Make = Callable[..., Model]


BUSY = tinker.RequestFailedError("busy", "r", types.RequestErrorCategory.Server)

TOO_LONG = tinker.RequestFailedError("too long", "r", types.RequestErrorCategory.User)


def test_a_failure_is_tried_again(task: Task, scripted: Make, run, asked, failing) -> None:
    model = scripted(failing(BUSY, times=2))
    result = run(task, model)
    assert result.complete
    assert result.summary.headline.value == 1
    assert asked(model).count("3+3") == 3


def test_a_failure_that_lasts_is_no_wrong_answer(task: Task, scripted: Make, run, failing) -> None:
    result = run(task, scripted(failing(BUSY, times=99)))
    assert list(result.errored) == ["3+3"]
    assert "busy" in result.errored["3+3"]
    assert (result.summary.headline.value, result.summary.headline.n) == (1.0, 24)
    assert result.metrics()["errored_items"] == 1


def test_what_would_fail_again_is_not_tried_again(
    task: Task, scripted: Make, run, asked, failing
) -> None:
    model = scripted(failing(TOO_LONG, times=99))
    assert not run(task, model).complete
    assert asked(model).count("3+3") == 1


def test_a_grader_that_fails_is_tried_again_too(task: Task, scripted: Make, run, right) -> None:
    class Judge:
        name, version, calls = "judge", 1, 0

        async def grade(self, reply: str, item: Item) -> Grade:
            Judge.calls += 1
            if Judge.calls == 1:
                raise GradingError("the judge is away")
            return Grade(scores={"judged": 1.0})

    assert run(evolve(task, grader=Judge()), scripted(right)).complete
    assert Judge.calls == 26


def test_a_grader_that_is_wrong_stops_the_run(task: Task, scripted: Make, run, right) -> None:
    class Broken:
        name, version = "broken", 1

        async def grade(self, reply: str, item: Item) -> Grade:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(evolve(task, grader=Broken()), scripted(right))


def test_an_engine_that_only_fails_is_given_up(
    tmp_path: Path, scripted: Make, task: Task, run, asked
) -> None:
    file = tmp_path / "many.jsonl"
    file.write_text("".join(f'{{"a": {a}, "b": {b}}}\n' for a in range(10) for b in range(10)))
    model = scripted(BUSY)
    with pytest.raises(EngineError, match=r"32 items in a row failed.*busy"):
        run(task, model, Settings(concurrency=8), source=JsonlFile(file))
    assert len(set(asked(model))) < 100


def test_failures_here_and_there_end_no_run(
    tmp_path: Path, scripted: Make, task: Task, run, right
) -> None:
    file = tmp_path / "many.jsonl"
    file.write_text("".join(f'{{"a": {a}, "b": {b}}}\n' for a in range(10) for b in range(10)))
    model = scripted(
        lambda text, n: (
            TOO_LONG
            if "4=" in text or "7=" in text
            else BUSY
            if "5=" in text or "6=" in text
            else right(text, n)
        )
    )
    result = run(task, model, Settings(concurrency=1), source=JsonlFile(file))
    assert (len(result.errored), result.summary.headline.n) == (40, 60)


def test_a_key_that_is_refused_ends_the_run_at_once(task: Task, scripted: Make, run, asked) -> None:
    import httpx

    response = httpx.Response(401, request=httpx.Request("POST", "http://x"))
    model = scripted(tinker.AuthenticationError("no key", response=response, body=None))
    with pytest.raises(EngineError, match="refuses"):
        run(task, model, Settings(concurrency=1))
    assert len(asked(model)) == 1


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that a retry asks for; none of them is taken."""
    taken: list[float] = []

    async def sleep(seconds: float) -> None:
        taken.append(seconds)

    monkeypatch.setattr("tinker_evals.run.retry.sleep", sleep)
    return taken


def test_each_pause_is_twice_the_one_before(pauses: list[float]) -> None:
    async def fails() -> None:
        raise BUSY

    with pytest.raises(tinker.RequestFailedError):
        asyncio.run(Retry(attempts=4, backoff_s=0.5)(fails))
    assert pauses == [0.5, 1.0, 2.0]


def test_a_call_that_succeeds_is_not_repeated(pauses: list[float]) -> None:
    async def three() -> int:
        return 3

    assert asyncio.run(Retry()(three)) == 3
    assert pauses == []


def test_a_run_pauses_before_it_asks_again(
    task: Task, scripted: Make, failing, pauses: list[float]
) -> None:
    asyncio.run(run_task(task, scripted(failing(BUSY, times=2))))
    assert pauses == [1.0, 2.0]


def test_a_failed_grade_does_not_sample_the_reply_again(
    task: Task, scripted: Make, run, asked, right
) -> None:
    class Judge:
        name, version = "judge", 1

        def __init__(self) -> None:
            self.calls = 0

        async def grade(self, reply: str, item: Item) -> Grade:
            self.calls += 1
            if self.calls % 2:
                raise GradingError("the judge is away")
            return Grade(scores={"judged": 1.0})

    model = scripted(right)
    assert run(evolve(task, grader=Judge()), model, Settings(concurrency=1)).complete
    assert len(asked(model)) == 25
