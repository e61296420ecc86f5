"""Groups are made when they are asked for."""

from pathlib import Path
from typing import Any

from tinker_rl import ProblemFile


def test_a_group_is_made_when_its_batch_is_asked_for(
    tmp_path: Path, renderer: Any, write: Any, questions: Any
) -> None:
    path = write(tmp_path / "rows.jsonl", [{"question": "a", "answer": 1}] * 2)
    train = ProblemFile(path=path, groups_per_batch=1).build(renderer=renderer, seed=0).train
    assert questions(train.get_batch(0)) == ["a"]
    path.write_text(path.read_text().replace('"a"', '"b"'))
    assert questions(train.get_batch(0)) == ["b"]
