"""Problems from a file: what is right, what is held out, and rows that cannot be used."""

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tinker_core import DataError
from tinker_rl import ProblemFile


def test_rows_become_batches_in_an_order_of_the_seed(
    tmp_path: Path, renderer: Any, write: Any, questions: Any
) -> None:
    rows = [{"q": f"{i}", "a": i} for i in range(10)]
    file = ProblemFile(
        path=write(tmp_path / "rows.jsonl", rows),
        question="q",
        answer="a",
        test_rows=3,
        groups_per_batch=4,
        group_size=2,
    )
    data, same, other = (file.build(renderer=renderer, seed=seed) for seed in (0, 0, 1))
    assert data.test is not None
    train = [q for i in range(len(data.train)) for q in questions(data.train.get_batch(i))]
    test = [q for i in range(len(data.test)) for q in questions(data.test.get_batch(i))]
    assert sorted(train + test) == sorted(str(i) for i in range(10))
    assert (len(train), len(test), len(data.train)) == (7, 3, 2)
    assert questions(same.train.get_batch(0)) == train[:4]
    assert questions(other.train.get_batch(0)) != train[:4]
    assert len(asyncio.run(data.train.get_batch(0)[0].make_envs())) == 2
    assert len(asyncio.run(data.test.get_batch(0)[0].make_envs())) == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the file has no rows"),
        ("{", r"rows.jsonl:1: not JSON"),
        ("[1]", r"rows.jsonl:1: a row is a JSON object"),
        ('\n{"question": "x"}', r"rows.jsonl:2: answer: must be text, not None"),
        ('{"question": ["x"], "answer": "y"}', r"rows.jsonl:1: question: must be text"),
        ('{"question": "x", "answer": "y"}', r"rows.jsonl:1: answer: .* needs one number, not 'y'"),
        ('{"question": "x", "answer": "3 or 4"}', "needs one number, not '3 or 4'"),
        ('{"question": "x", "answer": "4"}', "test_rows is 1, but there are only 1 rows"),
    ],
)
def test_rows_that_cannot_be_used_say_where_they_are(
    text: str, problem: str, tmp_path: Path, renderer: Any
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(text)
    with pytest.raises(DataError, match=problem):
        ProblemFile(path=path, test_rows=1).build(renderer=renderer, seed=0)
    with pytest.raises(DataError, match="no such file"):
        ProblemFile(path=tmp_path / "none").build(renderer=renderer, seed=0)


def test_a_compressed_file_gives_the_same_problems(
    tmp_path: Path, renderer: Any, write: Any, questions: Any
) -> None:
    plain = write(tmp_path / "rows.jsonl", [{"question": f"{i}", "answer": i} for i in range(9)])
    packed = tmp_path / "rows.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    one, other = (ProblemFile(path=p).build(renderer=renderer, seed=2) for p in (plain, packed))
    for batch in range(2):
        assert questions(one.train.get_batch(batch)) == questions(other.train.get_batch(batch))


def test_a_file_of_problems_has_a_fingerprint(tmp_path: Path, renderer: Any, write: Any) -> None:
    rows = [{"question": "1+1", "answer": "2"}, {"question": "2+2", "answer": "4"}]
    file = ProblemFile(path=write(tmp_path / "rows.jsonl", rows), groups_per_batch=1)
    [fingerprint] = file.build(renderer=renderer, seed=0).fingerprints
    assert (fingerprint.name, fingerprint.num_rows) == (str(file.path), 2)


def test_a_json_array_of_problems_is_read(tmp_path: Path, renderer: Any, questions: Any) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([{"question": "1+1", "answer": "2"}]))
    data = ProblemFile(path=path, groups_per_batch=1).build(renderer=renderer, seed=0)
    assert questions(data.train.get_batch(0)) == ["1+1"]
