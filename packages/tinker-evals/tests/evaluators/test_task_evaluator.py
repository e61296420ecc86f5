"""A task is an evaluator that keeps the samples of each snapshot."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from tinker_evals import (
    Model,
    Settings,
    TaskEvaluator,
)
from tinker_evals.tasks import TASKS


def test_a_task_is_an_evaluator_and_keeps_each_snapshots_replies(
    tmp_path: Path, scripted: Callable[..., Model]
) -> None:
    model = scripted(["33"] * 5 + ["44"] * 5)
    evaluator = TaskEvaluator(
        task=TASKS["sums"],
        renderer=model.renderer,
        settings=Settings(limit=5, concurrency=1),
        folder=tmp_path / "transcripts",
    )
    first = asyncio.run(evaluator(model.client))
    second = asyncio.run(evaluator(model.client))
    assert 0 <= first["strict"] <= 1
    assert first["strict_standard_error"] >= 0
    assert first["truncated_share"] == 0
    assert set(first) == set(second)
    replies = [(tmp_path / "transcripts" / n / "samples.jsonl").read_text() for n in "01"]
    assert '"reply": "33"' in replies[0]
    assert '"reply": "44"' in replies[1]
