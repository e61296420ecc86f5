"""Items are read once each, and a limit selects some that are the same for every model."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tinker_core import DataError
from tinker_evals import (
    JsonlFile,
    Model,
    Settings,
    Task,
)

Make = Callable[..., Model]


def test_fewer_problems_are_some_of_the_same(task: Task, scripted: Make, run, asked, right) -> None:
    few, more = scripted(right), scripted(right)
    run(task, few, Settings(limit=4))
    run(task, more, Settings(limit=9))
    assert set(asked(few)) < set(asked(more))
    assert len(set(asked(few))) == 4


def test_fewer_problems_are_spread_over_the_data(
    task: Task, scripted: Make, run, asked, right
) -> None:
    model = scripted(right)
    run(task, model, Settings(limit=10))
    assert len({problem[0] for problem in asked(model)}) >= 4  # of the five first numbers


def test_a_data_row_that_lacks_a_field_is_named(
    task: Task, scripted: Make, tmp_path: Path, run, right
) -> None:
    (tmp_path / "bad.jsonl").write_text('{"a": 1, "b": 1}\n{"a": 1}\n')
    with pytest.raises(DataError, match=r"bad.jsonl:2.*'b'"):
        run(task, scripted(right), source=JsonlFile(tmp_path / "bad.jsonl"))


def test_an_id_that_occurs_twice_is_refused(
    task: Task, scripted: Make, tmp_path: Path, run, right
) -> None:
    (tmp_path / "bad.jsonl").write_text('{"a": 1, "b": 1}\n' * 2)
    with pytest.raises(DataError, match="twice"):
        run(task, scripted(right), source=JsonlFile(tmp_path / "bad.jsonl"))
