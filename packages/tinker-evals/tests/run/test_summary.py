"""Every score has its error, several samples give pass@k, and what went wrong is counted apart."""

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import tinker
from tinker import types

from tinker_core import DataError
from tinker_evals import (
    JsonlFile,
    Model,
    Sampling,
    Settings,
    Task,
    TaskResult,
    run_task,
)

Make = Callable[..., Model]


def test_the_order_of_a_result_is_that_of_the_data(task: Task, scripted: Make, run, right) -> None:
    async def shuffled() -> TaskResult:
        return await run_task(task, scripted(right), Settings(concurrency=7))

    one = asyncio.run(shuffled()).summary
    assert one == run(task, scripted(right), Settings(concurrency=1)).summary


def test_what_went_wrong_is_counted_apart(task: Task, scripted: Make, run, right) -> None:
    def script(text: str, number: int) -> str:
        if "0+" in text:
            return "Let me count: " + "1, " * 60
        if "1+" in text:
            return "I'm sorry, I can't help with that."
        if "2+" in text:
            return "That is hard to say."
        return right(text, number)

    result = run(task, scripted(script), Settings(sampling=Sampling(max_tokens=40)))
    counts = result.summary.counts
    assert (counts["truncated"], counts["refused"], counts["unparsed"]) == (5, 5, 5)
    assert counts["answered"] == 10
    assert result.summary.headline.value == pytest.approx(10 / 25)
    assert result.metrics()["truncated_share"] == pytest.approx(5 / 25)


TOO_LONG = tinker.RequestFailedError("too long", "r", types.RequestErrorCategory.User)


def test_several_samples_give_pass_at_k(task: Task, scripted: Make, run, right) -> None:
    model = scripted(lambda text, n: right(text, n) if n == 0 else "#### 99")
    settings = Settings(samples=4, sampling=Sampling(temperature=1.0))
    summary = run(task, model, settings).summary
    assert summary.headline.value == pytest.approx(1 / 4)
    chances = {k: estimate.value for k, estimate in summary.pass_at.items()}
    assert chances == pytest.approx({1: 1 / 4, 2: 1 / 2, 4: 1.0})


def test_items_of_one_cluster_widen_the_interval(
    task: Task, scripted: Make, tmp_path: Path, run, right
) -> None:
    rows = [{"a": a, "b": b, "cluster": f"passage {a}"} for a in range(5) for b in range(5)]
    file = tmp_path / "clustered.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def by_passage(text: str, number: int) -> str:
        return right(text, number) if re.search(r"[01]\+\d=", text) else "#### 99"

    alone = run(task, scripted(by_passage)).summary.headline
    shared = run(task, scripted(by_passage), source=JsonlFile(file)).summary.headline
    assert shared.value == alone.value
    assert shared.standard_error > 2 * alone.standard_error
    assert shared.high - shared.low > 1.5 * (alone.high - alone.low)


def test_groups_have_scores_of_their_own(task: Task, scripted: Make, run, right) -> None:
    model = scripted(lambda text, n: right(text, n) if "2+" in text else "#### 99")
    groups = run(task, model).summary.groups
    assert groups["2 first"].value == 1.0
    assert groups["3 first"].value == 0.0


def test_where_nothing_was_answered_there_is_no_score(task: Task, scripted: Make, run) -> None:
    result = run(task, scripted(TOO_LONG), Settings(limit=3))
    assert (len(result.errored), result.metrics()) == (
        3,
        {
            **{
                f"{status}_share": pytest.approx(float("nan"), nan_ok=True)
                for status in ("truncated", "malformed", "refused", "unparsed")
            },
            "errored_items": 3.0,
        },
    )
    with pytest.raises(DataError, match="no item was answered"):
        _ = result.summary.headline
