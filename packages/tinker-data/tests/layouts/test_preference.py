"""Preference pairs."""

import pytest

from tinker_core import DataError
from tinker_data import Place, RawRow, read_pair

USER = {"role": "user", "content": "Hi"}
GOOD = {"role": "assistant", "content": "Hello!"}
OTHER = {"role": "user", "content": "Bye"}
BAD = {"role": "assistant", "content": "What?"}
PLACE = Place(file="rows.jsonl", row=2)


def texts(messages):
    return [message.text for message in messages]


@pytest.mark.parametrize(
    "value",
    [
        {"prompt": "Hi", "chosen": "Hello!", "rejected": "What?"},
        {"prompt": [USER], "chosen": [GOOD], "rejected": [BAD]},
        {"prompt": USER, "chosen": GOOD, "rejected": BAD},
        {"chosen": [USER, GOOD], "rejected": [USER, BAD]},
        {"prompt": "Hi", "chosen": [USER, GOOD], "rejected": [USER, BAD]},
        {"prompt": [USER], "chosen": [USER, GOOD], "rejected": [USER, BAD]},
        {"prompt": None, "chosen": [USER, GOOD], "rejected": [USER, BAD]},
    ],
)
def test_a_pair_is_a_prompt_and_two_ways_to_go_on(value):
    pair = read_pair(RawRow(content=value))
    assert (texts(pair.prompt), texts(pair.chosen), texts(pair.rejected)) == (
        ["Hi"],
        ["Hello!"],
        ["What?"],
    )
    assert pair.prompt[0].role == "user"
    assert pair.chosen[0].role == "assistant"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"prompt": "Hi", "chosen": "a"}, "rows.jsonl:2: rejected: missing"),
        ({"prompt": "Hi", "chosen": "a", "rejected": "a"}, "both sides are the same"),
        ({"chosen": [USER, GOOD], "rejected": [USER]}, "rejected: no response is left"),
        ({"chosen": [USER, GOOD], "rejected": [BAD]}, "chosen: one side has the prompt"),
        ({"chosen": [USER, GOOD], "rejected": [OTHER, BAD]}, "no common prompt"),
        ({"chosen": [GOOD], "rejected": [BAD]}, "rows.jsonl:2: prompt: missing"),
        ({"prompt": [USER, GOOD], "chosen": "a", "rejected": "b"}, r"chosen\[0\].role: roles do"),
        ({"prompt": [USER, USER], "chosen": "a", "rejected": "b"}, r"prompt\[1\].role: roles do"),
        ({"prompt": "Hi", "chosen": [GOOD, OTHER], "rejected": "b"}, "chosen: ends with user"),
        ({"prompt": "No", "chosen": [USER, GOOD], "rejected": [USER, BAD]}, "prompt: differs"),
        ({"prompt": "Hi", "chosen": [{"role": "robot"}], "rejected": "b"}, r"chosen\[0\].role"),
    ],
)
def test_a_pair_that_is_none_says_where_and_why(value, problem):
    with pytest.raises(DataError, match=problem):
        read_pair(RawRow(content=value, place=PLACE))


def test_a_prompt_that_the_sides_do_not_begin_with_can_be_ignored():
    row = {"prompt": "No", "chosen": [USER, GOOD], "rejected": [USER, BAD]}
    pair = read_pair(RawRow(content=row), ignored_keys=["prompt"])
    assert texts(pair.prompt) == ["Hi"]
