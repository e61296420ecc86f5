"""The page holds every reply as data, and no reply can become markup."""

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tinker_core import RunDirectoryError
from tinker_evals import Model, Settings, Shipped, run_task
from tinker_evals.reporting.report import write_eval_report
from tinker_evals.tasks import TASKS

Make = Callable[..., Model]


def data_of(page: Path) -> Any:
    text = page.read_text(encoding="utf-8")
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    return json.loads(data)


def run(folder: Path, model: Model, task: str = "sums", limit: int | None = None) -> None:
    settings = Settings(limit=limit)
    source = Shipped(task)
    asyncio.run(run_task(TASKS[task], model, settings, source=source, folder=folder / task))


def test_a_page_holds_scores_and_replies(tmp_path: Path, scripted: Make) -> None:
    run(tmp_path / "a", scripted("9", name="nine"))
    run(tmp_path / "a", scripted("True"), task="bbh")
    data = data_of(write_eval_report([tmp_path / "a"], tmp_path / "out" / "report.html"))
    tasks = {task["name"]: task for task in data["tasks"]}
    assert set(tasks) == {"sums", "bbh"}
    (side,) = tasks["sums"]["runs"]
    assert side["model"] == "nine"
    assert side["summary"]["scores"]["strict"]["value"] == pytest.approx(0.1)
    assert side["errored"] == {}
    assert len(tasks["sums"]["items"]) == 100
    assert tasks["bbh"]["items"][0]["replies"][0][0]["reply"] == "True"


def test_two_runs_stand_side_by_side(tmp_path: Path, scripted: Make) -> None:
    run(tmp_path / "a", scripted("3"))
    run(tmp_path / "b", scripted("9"), limit=40)
    page = write_eval_report([tmp_path / "a", tmp_path / "b"], tmp_path / "r.html")
    (task,) = data_of(page)["tasks"]
    assert task["comparison"]["unpaired"] == 60
    assert [len(item["replies"]) for item in task["items"]] == [2] * 100
    assert sum(not item["replies"][1] for item in task["items"]) == 60


def test_no_reply_becomes_markup(tmp_path: Path, scripted: Make) -> None:
    run(tmp_path, scripted("</script><script>alert(1)</script><img src=x onerror=alert(1)>"))
    page = write_eval_report([tmp_path], tmp_path / "r.html")
    text = page.read_text(encoding="utf-8")
    assert text.count("<script") == 2
    assert "<img" not in text
    assert data_of(page)["tasks"][0]["items"][0]["replies"][0][0]["reply"].startswith("</script>")
    assert "innerHTML" not in text


def test_a_page_needs_nothing_from_elsewhere(tmp_path: Path, scripted: Make) -> None:
    run(tmp_path, scripted("3"))
    text = write_eval_report([tmp_path], tmp_path / "r.html").read_text(encoding="utf-8")
    assert not re.search(r"(?:src|href)\s*=|@import|url\(|fetch\(", text)


def test_what_is_left_out_of_a_page_is_counted(tmp_path: Path, scripted: Make) -> None:
    run(tmp_path, scripted("3"))
    (task,) = data_of(write_eval_report([tmp_path], tmp_path / "r.html", max_items=10))["tasks"]
    assert (len(task["items"]), task["count"]) == (10, 100)


def test_a_run_that_did_not_end_can_be_looked_at(tmp_path: Path, scripted: Make) -> None:
    run(tmp_path, scripted("3"))
    (tmp_path / "sums" / "result.json").unlink()
    (task,) = data_of(write_eval_report([tmp_path], tmp_path / "r.html"))["tasks"]
    assert task["runs"][0]["errored"] is None


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="no samples"):
        write_eval_report([tmp_path], tmp_path / "r.html")
