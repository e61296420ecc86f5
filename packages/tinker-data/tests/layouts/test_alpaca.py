"""Alpaca with the columns of LLaMA-Factory."""

import pytest

from tinker_core import DataError
from tinker_data import RawRow, read_conversation


def said(**row):
    conversation = read_conversation(RawRow(content=row))
    return [(message.role, message.text) for message in conversation.messages]


def test_history_comes_before_the_instruction():
    history = [["one", "1"], ["two", "2"]]
    assert said(instruction="three", output="3", history=history, system="Count.") == [
        ("system", "Count."),
        *(("user", "one"), ("assistant", "1"), ("user", "two"), ("assistant", "2")),
        *(("user", "three"), ("assistant", "3")),
    ]
    assert said(instruction="a", output="b", history=[]) == said(instruction="a", output="b")


@pytest.mark.parametrize("history", ["one", [["one"]], [["a", 1]], [{"a": "b"}], [["a", "b", "c"]]])
def test_a_history_of_another_shape_is_refused(history):
    with pytest.raises(DataError, match="history"):
        said(instruction="a", output="b", history=history)
