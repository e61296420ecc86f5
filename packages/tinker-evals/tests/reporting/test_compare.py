"""Two runs are compared on the problems that both answered."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tinker_core import ConfigError, RunDirectoryError
from tinker_evals import Model, Sampling, Settings, Shipped, run_task
from tinker_evals.reporting.compare import compare_sides, pair_folders, read_side
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
    compared = compare_sides(read_side(first), read_side(second))
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
    compared = compare_sides(read_side(first), read_side(second))
    assert compared.unpaired == 70
    assert compared.second_summary.headline.n == 30


def test_what_else_differs_is_said(tmp_path: Path, scripted: Make) -> None:
    first = run(tmp_path / "a", scripted(says(3)))
    second = run(
        tmp_path / "b", scripted(says(3)), Settings(sampling=Sampling(system_prompt="Be brief."))
    )
    differs = " ".join(compare_sides(read_side(first), read_side(second)).differs)
    assert "system_prompt: None != 'Be brief.'" in differs
    assert "prompt.sha256" in differs


def test_other_scores_can_be_compared(tmp_path: Path, scripted: Make) -> None:
    first = run(tmp_path / "a", scripted(says(3)))
    second = run(tmp_path / "b", scripted(lambda text, n: "I say 3"))
    sides = read_side(first), read_side(second)
    assert compare_sides(*sides).comparison.difference.value == pytest.approx(-0.04)
    assert compare_sides(*sides, score="lenient").comparison.difference.value == 0.0
    with pytest.raises(ConfigError, match="it has strict, lenient"):
        compare_sides(*sides, score="mean")


def test_runs_of_several_tasks_are_paired_by_name(tmp_path: Path, scripted: Make) -> None:
    run(tmp_path / "a", scripted(says(3)))
    run(tmp_path / "b", scripted(says(3)))
    assert pair_folders(tmp_path / "a", tmp_path / "b") == [
        (tmp_path / "a" / "sums", tmp_path / "b" / "sums")
    ]
    run(tmp_path / "c", scripted("nothing"), task="bbh")
    with pytest.raises(RunDirectoryError, match="share no task"):
        pair_folders(tmp_path / "a", tmp_path / "c")


def test_an_empty_folder_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="no answers"):
        read_side(tmp_path)


def test_two_tasks_do_not_compare(tmp_path: Path, scripted: Make) -> None:
    sums, bbh = (read_side(run(tmp_path, scripted(says(3)), task=task)) for task in ("sums", "bbh"))
    with pytest.raises(ConfigError, match="sums cannot be compared with bbh"):
        compare_sides(sums, bbh)
