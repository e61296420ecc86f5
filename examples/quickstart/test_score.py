"""The score: expected numbers counted by hand."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

SCORE = runpy.run_path(str(Path(__file__).with_name("score.py")))
count_right_fields, parse_record, score = (
    SCORE[name] for name in ("count_right_fields", "parse_record", "score")
)

RECORD = '{"name": "Uma", "item": "mocha", "quantity": 2, "time": "09:30"}'


def test_the_record_itself_is_all_right() -> None:
    assert count_right_fields(RECORD, RECORD) == 4


def test_order_and_spacing_of_the_fields_do_not_matter() -> None:
    answer = '{"time":"09:30",\n"quantity":2,"item":"mocha","name":"Uma"}\n'
    assert score([answer], [RECORD]).exact == 1


@pytest.mark.parametrize(
    "wrong",
    [
        RECORD.replace("Uma", "Ume"),
        RECORD.replace("Uma", "uma"),
        RECORD.replace("2", '"2"'),
        RECORD.replace("2", "2.0"),
        RECORD.replace('"09:30"', "null"),
        RECORD.replace('"time": "09:30"', '"hour": "09:30"'),
        RECORD.replace(', "time": "09:30"', ""),
    ],
)
def test_a_field_of_another_value_type_or_name_is_one_wrong_field(wrong: str) -> None:
    assert count_right_fields(wrong, RECORD) == 3


def test_true_is_not_the_number_one() -> None:
    assert count_right_fields('{"quantity": true}', '{"quantity": 1}') == 0


@pytest.mark.parametrize(
    "text",
    ["", "2", f"Sure! {RECORD}", f"```\n{RECORD}\n```", RECORD[:-1], f"[{RECORD}]", "[" * 10**5],
)
def test_anything_but_one_json_object_has_no_field_right(text: str) -> None:
    assert parse_record(text) is None
    assert count_right_fields(text, RECORD) == 0


def test_shares_are_of_the_answers_and_of_the_fields() -> None:
    answers = [RECORD, RECORD.replace("Uma", "Leo"), "no", RECORD]
    result = score(answers, [RECORD] * 4)
    assert result.exact == 2 / 4
    assert result.fields == (4 + 3 + 0 + 4) / 16


def test_a_field_too_many_is_not_exact() -> None:
    result = score([RECORD.replace("}", ', "size": "large"}')], [RECORD])
    assert (result.exact, result.fields) == (0, 1)


def test_answers_must_pair_with_expected_records() -> None:
    with pytest.raises(ValueError, match="1 answers for 2 expected records"):
        score([RECORD], [RECORD, RECORD])
    with pytest.raises(ValueError, match="0 answers"):
        score([], [])


def test_an_expected_answer_that_is_no_record_is_refused() -> None:
    with pytest.raises(ValueError, match="no JSON object with fields: 'hello'"):
        score([RECORD], ["hello"])
