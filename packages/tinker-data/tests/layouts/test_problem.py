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
