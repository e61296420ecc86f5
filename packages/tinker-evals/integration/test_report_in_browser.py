"""The page works in a real browser, from disk, without a server. Needs `chromium` on the path."""

import asyncio
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tinker_evals import Model, Sampling, Settings, run_task, write_eval_report
from tinker_evals.tasks import TASKS

pytestmark = pytest.mark.skipif(
    shutil.which("chromium") is None, reason="there is no chromium here"
)
EVIL = "7<img src=x onerror=\"document.title='broken'\"></script>"


def shown(page: Path, script: str = "") -> str:
    """The page's markup after a browser has run it, and then `script`."""
    copy = page.with_name("copy.html")
    text = page.read_text(encoding="utf-8")
    copy.write_text(text.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += ["--virtual-time-budget=2000", copy.as_uri()]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return ran.stdout


@pytest.fixture
def page(tmp_path: Path, saying: Callable[..., Model]) -> Path:
    for name, line in (("a", "3"), ("b", EVIL)):
        model = saying(*["<think>\nhm\n</think>\n\n" + line] * 20)
        settings = Settings(limit=20, concurrency=1, sampling=Sampling(max_tokens=200))
        asyncio.run(run_task(TASKS["sums"], model, settings, folder=tmp_path / name / "sums"))
    return write_eval_report([tmp_path / "a", tmp_path / "b"], tmp_path / "page.html")


def test_scores_replies_and_the_comparison_are_shown(page: Path) -> None:
    body = shown(page).split("<body>")[1]
    assert "20 of 20 problems" in body
    assert "the second differs by" in body
    assert body.count("<details") == 20


def test_a_filter_leaves_what_it_names(page: Path) -> None:
    body = shown(page, "at('text').value='0+3'; at('text').dispatchEvent(new Event('input'))")
    assert body.count("<details") <= 2


def test_where_two_runs_differ_can_be_picked_out(page: Path) -> None:
    def left(outcome: str) -> int:
        pick = f"at('outcome').value='{outcome}'; at('outcome').dispatchEvent(new Event('change'))"
        return shown(page, pick).split("<body>")[1].count("<details")

    worse = left("second worse")  # the first always says 3, which is right at times
    assert 0 < worse < 20
    assert left("runs differ") == worse
    assert left("second better") == 0


def test_a_task_that_nobody_answered_is_said_so_and_not_the_first_shown(
    tmp_path: Path, saying: Callable[..., Model]
) -> None:
    silent = tmp_path / "run" / "a_silent_task"
    settings = Settings(limit=1, concurrency=1)
    asyncio.run(run_task(TASKS["sums"], saying("3"), settings, folder=tmp_path / "run" / "sums"))
    silent.mkdir()
    for name in ("fingerprint.json", "result.json"):
        (silent / name).write_bytes((tmp_path / "run" / "sums" / name).read_bytes())
    (silent / "samples.jsonl").touch()
    body = shown(write_eval_report([tmp_path / "run"], tmp_path / "page.html")).split("<body>")[1]
    assert "no problem was answered" in body
    assert "1 of 1 problems" in body


def test_an_opened_problem_shows_both_replies_as_text(page: Path) -> None:
    opened = "document.querySelector('details').open = true"
    text = shown(page, opened)
    assert text.count('class="replies"') == 1
    assert "&lt;img src=x" in text
    assert "<img" not in text.split("<body>")[1].replace("\\u003cimg", "")
    assert "<title>Evaluation</title>" in text
