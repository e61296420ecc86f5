"""Problems from a file: what is right, what is held out, and rows that cannot be used."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tinker_core import ConfigError, DataError
from tinker_render import Renderer
from tinker_rl import ProblemFile, PromptFile
from tinker_rl.data.problem_file import contains, exact, find_check, number


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("check", "answer", "reference", "right"),
    [
        (exact, " 4\n", "4", True),
        (exact, "4.", "4", False),
        (number, "2 + 2 is 4.", "4", True),
        (number, "It is 1,234", "#### 1234", True),
        (number, "-3", "3", False),
        (number, "4.0", "4", True),
        (number, "none", "4", False),
        (number, "4", "none", False),
        (contains, "the cat sat", "cat", True),
        (contains, "the dog sat", "cat", False),
    ],
)
def test_an_answer_is_right_or_wrong(check: Any, answer: str, reference: str, right: bool) -> None:
    assert check(answer, reference) is right


def test_a_check_is_found_by_name_or_where_it_lies() -> None:
    assert find_check("number") is number
    assert find_check("tinker_rl.data.problem_file:exact") is exact
    for unknown in ("nothing", "tinker_rl:nothing", "no_such_module:x"):
        with pytest.raises(ConfigError, match="no check"):
            find_check(unknown)


def questions(builders: Any) -> list[str]:
    return [asyncio.run(builder.make_envs())[0].get_question() for builder in builders]


def test_rows_become_batches_in_an_order_of_the_seed(tmp_path: Path, renderer: Any) -> None:
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
        ("", "holds no row"),
        ("{", r"rows.jsonl:1: not JSON"),
        ("[1]", r"rows.jsonl:1: a row is a JSON object"),
        ('\n{"question": "x"}', r"rows.jsonl:2: answer: must be text, not None"),
        ('{"question": ["x"], "answer": "y"}', r"rows.jsonl:1: question: must be text"),
        ('{"question": "x", "answer": "y"}', "1 rows cannot have 1 to test on"),
    ],
)
def test_rows_that_cannot_be_used_say_where_they_are(
    text: str, problem: str, tmp_path: Path, renderer: Any
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(text)
    with pytest.raises(DataError, match=problem):
        ProblemFile(path=path, test_rows=1).build(renderer=renderer, seed=0)
    with pytest.raises(DataError, match="cannot be read"):
        ProblemFile(path=tmp_path / "none").build(renderer=renderer, seed=0)


def test_prompts_are_asked_as_they_are_and_earn_nothing(tmp_path: Path, renderer: Renderer) -> None:
    path = write(tmp_path / "p.jsonl", [{"say": f"q{i}"} for i in range(5)])
    file = PromptFile(path=path, question="say", system="Be brief.", groups_per_batch=2)
    data = file.build(renderer=renderer, seed=1)
    assert [len(data.train.get_batch(i)) for i in range(3)] == [2, 2, 1]
    assert data.test is None
    asked = [
        tuple(message["content"] for message in group.conversation)
        for i in range(3)
        for group in data.train.get_batch(i)
    ]
    assert sorted(asked) == [("Be brief.", f"q{i}") for i in range(5)]
    assert file.build(renderer=renderer, seed=1) == data


def test_a_prompt_that_is_no_text_is_told_with_its_place(
    tmp_path: Path, renderer: Renderer
) -> None:
    path = write(tmp_path / "p.jsonl", [{"question": "q"}, {"question": ["q"]}])
    with pytest.raises(DataError, match=r"p\.jsonl.*2.*must be text"):
        PromptFile(path=path).build(renderer=renderer, seed=0)
