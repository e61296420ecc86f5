"""Groups are made when they are asked for."""

import asyncio
import json
from pathlib import Path
from typing import Any

from tinker_rl import ProblemFile


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def questions(builders: Any) -> list[str]:
    return [asyncio.run(builder.make_envs())[0].get_question() for builder in builders]


def test_a_group_is_made_when_its_batch_is_asked_for(tmp_path: Path, renderer: Any) -> None:
    path = write(tmp_path / "rows.jsonl", [{"question": "a", "answer": 1}] * 2)
    train = ProblemFile(path=path, groups_per_batch=1).build(renderer=renderer, seed=0).train
    assert questions(train.get_batch(0)) == ["a"]
    path.write_text(path.read_text().replace('"a"', '"b"'))
    assert questions(train.get_batch(0)) == ["b"]
