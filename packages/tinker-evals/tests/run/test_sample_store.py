"""Samples are stored as they arrive, continued by the same run, and refused to another."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import tinker
from tinker import types

from tinker_core import RunDirectoryError
from tinker_evals import (
    Model,
    Sampling,
    Settings,
    Task,
)
from tinker_evals.run.sample_store import open_store, read_samples

Make = Callable[..., Model]


BUSY = tinker.RequestFailedError("busy", "r", types.RequestErrorCategory.Server)


def test_answers_are_not_asked_for_again(
    task: Task, scripted: Make, tmp_path: Path, run, asked, right
) -> None:
    folder = tmp_path / "run"
    run(task, scripted(right), folder=folder)
    again = scripted("nobody asks")
    result = run(task, again, folder=folder)
    assert asked(again) == []
    assert result.summary.headline.value == 1


def test_failures_are_asked_for_again(
    task: Task, scripted: Make, run, asked, right, failing
) -> None:
    folder = task.source.path.parent / "run"
    run(task, scripted(failing(BUSY, times=99)), folder=folder)
    again = scripted(right)
    result = run(task, again, folder=folder)
    assert asked(again) == ["3+3"]
    assert result.complete
    assert result.summary == run(task, scripted(right)).summary


def test_a_killed_run_goes_on_where_it_was(
    task: Task, scripted: Make, tmp_path: Path, run, asked, right
) -> None:
    folder = tmp_path / "run"
    run(task, scripted(right), Settings(concurrency=1), folder=folder)
    file = folder / "samples.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:10]) + lines[10][:30])  # torn in the middle of a line
    again = scripted(right)
    result = run(task, again, folder=folder)
    assert len(asked(again)) == 15
    assert result.summary == run(task, scripted(right)).summary
    third = scripted("nobody asks")
    run(task, third, folder=folder)
    assert asked(third) == []
    assert len(file.read_text().splitlines()) == 25


def test_an_answer_is_on_disk_before_the_next_problem_is_done(
    task: Task, scripted: Make, tmp_path: Path, run, right
) -> None:
    seen = []
    file = tmp_path / "run" / "samples.jsonl"
    run(
        task,
        scripted(right),
        Settings(concurrency=1),
        folder=file.parent,
        watch=lambda tally: seen.append((tally.finished, len(file.read_text().splitlines()))),
    )
    assert seen == [(n, n) for n in range(1, 26)]


def test_another_models_answers_are_not_taken_for_its_own(
    task: Task, scripted: Make, tmp_path: Path, run, right
) -> None:
    run(task, scripted(right, name="one"), folder=tmp_path / "run")
    with pytest.raises(RunDirectoryError, match="model: 'one' != 'two'"):
        run(task, scripted(right, name="two"), folder=tmp_path / "run")


def test_other_settings_do_not_go_on_with_old_answers(
    task: Task, scripted: Make, tmp_path: Path, run, right
) -> None:
    run(task, scripted(right), folder=tmp_path / "run")
    warm = Settings(sampling=Sampling(temperature=0.7))
    with pytest.raises(RunDirectoryError, match=r"sampling.temperature"):
        run(task, scripted(right), warm, folder=tmp_path / "run")


def test_a_run_may_go_on_with_more_problems_and_more_samples(
    task: Task, scripted: Make, tmp_path: Path, run, asked, right
) -> None:
    sampling = Sampling(temperature=1.0)
    folder = tmp_path / "run"
    run(task, scripted(right), Settings(sampling=sampling, limit=5), folder=folder)
    more = scripted(right)
    run(task, more, Settings(sampling=sampling, limit=10), folder=folder)
    assert len(asked(more)) == 5
    twice = scripted(right)
    result = run(task, twice, Settings(sampling=sampling, limit=10, samples=3), folder=folder)
    assert len(asked(twice)) == 10
    assert result.summary.counts["answered"] == 30
    seeds = {params.seed for model in (more, twice) for params in model.client.params}  # type: ignore[attr-defined]
    assert len(seeds) == 15


WARM = Settings(sampling=Sampling(temperature=1.0), samples=3)


@pytest.mark.parametrize("lost", [[0], [1], [0, 2], [0, 1, 2]])
def test_every_sample_that_is_missing_is_asked_and_no_other(
    task: Task, scripted: Make, run, right, lost: list[int]
) -> None:
    """Whichever they are: the number of stored samples does not say which those are."""
    folder = task.source.path.parent / "run"
    whole = run(task, scripted(right), WARM, folder=folder)
    file = folder / "samples.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    kept = [row for row in rows if row["item"] != "2+2" or row["sample"] not in lost]
    doubled = [*kept, kept[0]]
    file.write_text("".join(json.dumps(row) + "\n" for row in doubled))
    again = scripted(right)
    assert run(task, again, WARM, folder=folder).summary == whole.summary
    numbers = [row["sample"] for row in map(json.loads, file.read_text().splitlines())]
    assert numbers[len(doubled) :] == lost
    assert len(again.client.asked) == (2 if lost == [0, 2] else 1)


def test_one_run_at_a_time_writes_to_a_folder(task: Task, scripted: Make, run, right) -> None:
    folder = task.source.path.parent / "run"

    def second(text: str, number: int) -> str:
        with pytest.raises(RunDirectoryError, match="in use"), open_store(folder, {}):
            pass
        return right(text, number)

    assert run(task, scripted(second), Settings(limit=2), folder=folder).complete
    assert run(task, scripted(right), Settings(limit=2), folder=folder).complete


@pytest.mark.parametrize("damage", ['{"item": 1}', "[]", "}{", '{"item": "0+0"', "[" * 50_000])
def test_a_damaged_line_is_named_with_what_to_do(
    task: Task, scripted: Make, run, right, damage: str
) -> None:
    folder = task.source.path.parent / "run"
    run(task, scripted(right), Settings(limit=3), folder=folder)
    with (folder / "samples.jsonl").open("a") as file:
        file.write(damage + "\n")
    with pytest.raises(RunDirectoryError, match=r"samples.jsonl:4: .*delete this line"):
        run(task, scripted(right), Settings(limit=3), folder=folder)


def test_separators_of_unicode_do_not_end_a_line(task: Task, scripted: Make, run) -> None:
    folder = task.source.path.parent / "run"
    said = "#### 1\u2028\u2029\x85 so"
    run(task, scripted(said), Settings(limit=3), folder=folder)
    assert [sample.reply for sample in read_samples(folder)] == [said] * 3
