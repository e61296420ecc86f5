"""Problems."""

import pytest

from tinker_core import DataError
from tinker_data import Place, RawRow, read_problem

PLACE = Place(file="rows.jsonl", row=2)


def test_a_problem_keeps_what_else_the_row_says():
    problem = read_problem(RawRow(content={"question": "1+1?", "answer": 2, "level": "easy"}))
    assert ([message.text for message in problem.prompt], problem.answer) == (["1+1?"], "2")
    assert problem.details == {"level": "easy"}


def test_a_problem_that_is_none_says_where_and_why():
    with pytest.raises(DataError, match=r"rows.jsonl:2: no problem: needs one of"):
        read_problem(RawRow(content={"text": "?"}, place=PLACE))
    with pytest.raises(DataError, match=r"rows.jsonl:2: answer: must be text"):
        read_problem(RawRow(content={"question": "?", "answer": [1]}, place=PLACE))


@pytest.mark.parametrize("other", ["messages", "prompt", "problem"])
def test_a_row_with_two_problems_is_an_error_unless_one_is_null_or_ignored(other):
    row = {"question": "1+1?", other: "1+2?"}
    with pytest.raises(DataError, match=r"rows.jsonl:2: the problem may stand in"):
        read_problem(RawRow(content=row, place=PLACE))
    for problem in (
        read_problem(RawRow(content=row), ignored_keys=[other]),
        read_problem(RawRow(content={**row, other: None})),
    ):
        assert problem.prompt[0].text == "1+1?"


@pytest.mark.parametrize("answer", [float("nan"), float("inf")])
def test_an_answer_is_a_finite_number(answer):
    with pytest.raises(DataError, match=r"rows.jsonl:2: answer: must be finite"):
        read_problem(RawRow(content={"question": "?", "answer": answer}, place=PLACE))
