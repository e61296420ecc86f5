"""`tinker-evals compare` prints the paired difference."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tinker_evals import Model, Settings, run_task
from tinker_evals.cli import main
from tinker_evals.tasks import TASKS

Make = Callable[..., Model]


def status(*arguments: object) -> int:
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def run(folder: Path, model: Model, settings: Settings | None = None) -> None:
    asyncio.run(run_task(TASKS["sums"], model, settings, folder=folder / "sums"))


def test_compare_prints_the_paired_difference(
    tmp_path: Path, scripted: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path / "a", scripted("3", name="a"))
    run(tmp_path / "b", scripted("9", name="b"), Settings(limit=40))
    page = tmp_path / "page.html"
    assert status("compare", tmp_path / "a", tmp_path / "b", "--html", page) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[:2] == ["first   a", "second  b"]
    assert "60 items left out" in printed
    rows = [line.split()[:2] for line in printed.splitlines()[3:5]]
    assert rows[0] == ["sums", "strict"]
    assert rows[1][0] == "lenient"
    assert page.exists()


def test_a_score_may_rise_while_another_falls(
    tmp_path: Path, scripted: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is known but not in the form that was asked for, against the form without the knowledge.

    Of the 100 sums of two digits, 10 make 9.
    """
    run(
        tmp_path / "a",
        scripted(lambda text, _: f"It is {sum(map(int, re.findall(r'[0-9]', text)))}."),
    )
    run(tmp_path / "b", scripted("9"))
    assert status("compare", tmp_path / "a", tmp_path / "b") == 0
    strict, lenient = (line.split() for line in capsys.readouterr().out.splitlines()[3:5])
    assert strict[2:5] == ["0.000", "0.100", "+0.100"]
    assert lenient[1:4] == ["1.000", "0.100", "-0.900"]
    assert "<0.0001" in lenient
