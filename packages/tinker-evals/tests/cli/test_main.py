"""The command says what is wrong in one line."""

import asyncio
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


def test_list_names_every_task(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [*TASKS, "judged", "duel"]


def test_report_writes_a_page(tmp_path: Path, scripted: Make) -> None:
    run(tmp_path / "a", scripted("3"))
    assert status("report", tmp_path / "a", "--html", tmp_path / "page.html") == 0
    assert (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "gsm9k", "--model", "local/tiny"], "did you mean gsm8k"),
        (["compare", "nowhere", "nothing"], "holds no samples"),
        (["run", "sums", "--samples", "2", "--model", "local/tiny"], "set a temperature"),
    ],
)
def test_a_mistake_is_one_line_and_status_two(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(*arguments) == 2
    assert said in capsys.readouterr().err
