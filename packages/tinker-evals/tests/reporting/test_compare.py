"""Two runs are compared on the problems that both answered."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tinker_core import ConfigError, RunDirectoryError
from tinker_evals import Model, Sampling, Settings, Shipped, run_task
from tinker_evals.reporting.compare import compare_task_runs, pair_runs, read_task_run
from tinker_evals.tasks import TASKS

Make = Callable[..., Model]


def run(folder: Path, model: Model, settings: Settings | None = None, task: str = "sums") -> Path:
    asyncio.run(run_task(TASKS[task], model, settings, source=Shipped(task), folder=folder / task))
    return folder / task


def says(number: int) -> Callable[[str, int], str]:
    return lambda text, n: str(number)


def test_the_difference_is_paired(tmp_path: Path, scripted: Make) -> None:
    first = run(tmp_path / "a", scripted(says(3), name="a"))  # right for 4 of the 100 sums
    second = run(tmp_path / "b", scripted(says(9), name="b"))  # right for 10
    compared = compare_task_runs(read_task_run(first), read_task_run(second))
    assert compared.comparison.difference.value == pytest.approx(0.06)
    assert (compared.comparison.better, compared.comparison.worse) == (10, 4)
    assert compared.comparison.p_value == pytest.approx(0.1796, abs=1e-4)  # binomial, 4 of 14
    assert compared.differs == ()
    assert len(compared.changed) == 14
    assert compared.changed["0+9"] == 1.0
    assert compared.changed["0+3"] == -1.0


def test_only_what_both_answered_is_compared(tmp_path: Path, scripted: Make) -> None:
    first = run(tmp_path / "a", scripted(says(3)), Settings(limit=30))
    second = run(tmp_path / "b", scripted(says(9)))
    compared = compare_task_runs(read_task_run(first), read_task_run(second))
    assert compared.unpaired == 70
    assert compared.second_summary.headline.n == 30


def test_what_else_differs_is_said(tmp_path: Path, scripted: Make) -> None:
    first = run(tmp_path / "a", scripted(says(3)))
    second = run(
        tmp_path / "b", scripted(says(3)), Settings(sampling=Sampling(system_prompt="Be brief."))
    )
    differs = " ".join(compare_task_runs(read_task_run(first), read_task_run(second)).differs)
    assert "system_prompt: None != 'Be brief.'" in differs
    assert "prompt.sha256" in differs


def test_other_scores_can_be_compared(tmp_path: Path, scripted: Make) -> None:
    first = run(tmp_path / "a", scripted(says(3)))
    second = run(tmp_path / "b", scripted(lambda text, n: "I say 3"))
    sides = read_task_run(first), read_task_run(second)
    assert compare_task_runs(*sides).comparison.difference.value == pytest.approx(-0.04)
    assert compare_task_runs(*sides, score="lenient").comparison.difference.value == 0.0
    with pytest.raises(ConfigError, match="it has strict, lenient"):
        compare_task_runs(*sides, score="mean")


def test_runs_of_several_tasks_are_paired_by_name(tmp_path: Path, scripted: Make) -> None:
    run(tmp_path / "a", scripted(says(3)))
    run(tmp_path / "b", scripted(says(3)))
    run(tmp_path / "a", scripted("nothing"), task="gsm8k")
    run(tmp_path / "b", scripted("nothing"), task="bbh")
    pairs = pair_runs(tmp_path / "a", tmp_path / "b")
    assert pairs.both == [(tmp_path / "a" / "sums", tmp_path / "b" / "sums")]
    assert (pairs.only_first, pairs.only_second) == (["gsm8k"], ["bbh"])
    run(tmp_path / "c", scripted("nothing"), task="bbh")
    with pytest.raises(RunDirectoryError, match="share no task"):
        pair_runs(tmp_path / "a", tmp_path / "c")


def test_an_empty_folder_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="no samples"):
        read_task_run(tmp_path)


def test_two_tasks_do_not_compare(tmp_path: Path, scripted: Make) -> None:
    folders = [run(tmp_path, scripted(says(3)), task=task) for task in ("sums", "bbh")]
    sums, bbh = map(read_task_run, folders)
    with pytest.raises(ConfigError, match="sums cannot be compared with bbh"):
        compare_task_runs(sums, bbh)
