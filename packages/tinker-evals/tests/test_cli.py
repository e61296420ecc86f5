"""The command says what is wrong in one line, and prints tables that a person can read."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from tinker_evals import Model, Sampling, Settings, run_task
from tinker_evals.cli import main
from tinker_evals.reporting.terminal import Progress, result_table
from tinker_evals.tasks import TASKS

Make = Callable[..., Model]


def status(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return int(end.value.code or 0)


def run(folder: Path, model: Model, settings: Settings | None = None) -> None:
    asyncio.run(run_task(TASKS["sums"], model, settings, folder=folder / "sums"))


def test_list_names_every_task(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [*TASKS, "judged", "duel"]


def test_compare_prints_the_paired_difference(
    tmp_path: Path, scripted: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path / "a", scripted("3", name="a"))
    run(tmp_path / "b", scripted("9", name="b"), Settings(limit=40))
    page = tmp_path / "page.html"
    assert status("compare", tmp_path / "a", tmp_path / "b", "--html", page) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[:2] == ["first   a", "second  b"]
    assert "60 problems left out" in printed
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


def test_report_writes_a_page(tmp_path: Path, scripted: Make) -> None:
    run(tmp_path / "a", scripted("3"))
    assert status("report", tmp_path / "a", "--html", tmp_path / "page.html") == 0
    assert (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "gsm9k", "--model", "local/tiny"], "did you mean gsm8k"),
        (["compare", "nowhere", "nothing"], "holds no answers"),
        (["run", "sums", "--samples", "2", "--model", "local/tiny"], "set a temperature"),
    ],
)
def test_a_mistake_is_one_line_and_status_two(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(*arguments) == 2
    assert said in capsys.readouterr().err


def test_progress_shows_the_running_score_with_its_interval(scripted: Make) -> None:
    console = Console(record=True, width=120, force_terminal=False)
    show = Progress("sums", console)
    asyncio.run(run_task(TASKS["sums"], scripted("9"), Settings(limit=20), watch=show))
    (line,) = console.export_text().splitlines()
    assert line.startswith("sums  20/20  strict 0.")
    assert "[" in line


def test_the_table_counts_apart_what_went_wrong(scripted: Make) -> None:
    settings = Settings(sampling=Sampling(max_tokens=64))
    refuses = scripted("I'm sorry, I can't help.")
    result = asyncio.run(run_task(TASKS["sums"], refuses, settings))
    console = Console(record=True, width=120)
    console.print(result_table([result]))
    assert "100 refused" in console.export_text()
