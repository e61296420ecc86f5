"""The graders agree with labels that were written by hand before they had seen the replies.

`docs/evals.md` publishes these counts beside those of other graders; see
`benchmarks/grader_agreement.py`.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tinker_core.jsonl import read_jsonl
from tinker_evals import Grade, Item, TextGrader
from tinker_evals.graders import boxed, choice, hashes

LABELLED = Path(__file__).with_name("labelled")


def rows(name: str) -> Iterator[dict[str, Any]]:
    return (row for _, row in read_jsonl(LABELLED / f"{name}.jsonl"))


def grade(grader: TextGrader, row: dict[str, Any]) -> Grade:
    choices = tuple(row.get("choices", ()))
    item = Item(id="1", prompt="", target=row.get("target"), choices=choices)
    return asyncio.run(grader.grade(row["reply"], item))


@pytest.mark.parametrize(
    ("name", "grader", "agree"),
    [("word_problems", hashes, 180), ("mathematics", boxed, 185)],
)
def test_a_reply_is_right_where_its_label_says_so(
    name: str, grader: TextGrader, agree: int
) -> None:
    found = [(grade(grader, row).scores["lenient"] == 1) == row["right"] for row in rows(name)]
    assert sum(found) == agree


def test_a_choice_is_the_letter_of_its_label() -> None:
    found = [
        grade(choice, row).answers["lenient"] == row["letter"] for row in rows("multiple_choice")
    ]
    assert sum(found) == 194


def test_no_reply_is_labelled_twice() -> None:
    for name in ("word_problems", "mathematics", "multiple_choice"):
        keys = [
            (str(row.get("target")), str(row.get("choices")), row["reply"]) for row in rows(name)
        ]
        assert len(set(keys)) == len(keys) > 185
