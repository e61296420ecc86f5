"""JSON as RFC 8259 has it."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinker_core.strict_json import JsonError, parse_json, to_json

ANY_TEXT = st.text(st.characters())
PARTS = st.sampled_from(
    ['{"a":', "[", "]", "}", ",", '"', "\\ud83d", "\\ude00", "9" * 5000, "-0", "1e400", "NaN"]
)


@given(text=st.lists(PARTS | ANY_TEXT, max_size=8).map("".join))
def test_any_text_is_a_value_or_one_kind_of_error(text):
    try:
        value = parse_json(text)
    except JsonError:
        return
    assert json.loads(to_json(value)) == value == json.loads(text)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "9" * 5000, b"\xff", ""])
def test_what_python_raises_otherwise_for_is_one_kind_of_error(text):
    with pytest.raises(JsonError):
        parse_json(text)


def test_a_surrogate_pair_is_one_character():
    assert parse_json(r'"\ud83d\ude00"') == "\U0001f600"


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        [math.inf],
        {1: "a"},
        {"a": {None: 1}},
        {"a"},
        b"a",
        "\ud83d",
        {"\ud83d": 1},
        np.float32(1),
    ],
)
def test_a_value_that_json_does_not_have_is_refused(value):
    with pytest.raises(JsonError):
        to_json(value)


def test_a_value_that_holds_itself_is_refused():
    value = []
    value.append(value)
    with pytest.raises(JsonError):
        to_json(value)
