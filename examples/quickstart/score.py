"""How right an answer is: the share of the record's fields that it gets right.

Strict, as the program that reads the record would be: an answer that is anything but one JSON
object has no field right, and a number in quotes is not that number.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from attrs import frozen


@frozen(kw_only=True)
class Score:
    """Shares, from 0 to 1."""

    exact: float
    """Of the answers: every field right, and none beside them."""
    fields: float
    """Of the expected fields, over all answers."""


def parse_record(text: str) -> dict[str, object] | None:
    """The JSON object that the text is, or None if it is anything else."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def count_right_fields(answer: str, expected: str) -> int:
    """How many of the expected record's fields the answer has, equal in value and type."""
    given, wanted = parse_record(answer) or {}, parse_record(expected)
    if not wanted:
        raise ValueError(f"the expected answer is no JSON object with fields: {expected!r}")
    return sum(
        key in given and type(given[key]) is type(value) and given[key] == value
        for key, value in wanted.items()
    )


def score(answers: Sequence[str], expected: Sequence[str]) -> Score:
    """The score of answers against the records that belong to them, in the same order."""
    if len(answers) != len(expected) or not answers:
        raise ValueError(f"{len(answers)} answers for {len(expected)} expected records")
    exact = right = total = 0
    for answer, wanted in zip(answers, expected, strict=True):
        fields = len(parse_record(wanted) or {})
        right_fields = count_right_fields(answer, wanted)
        exact += right_fields == fields == len(parse_record(answer) or {})
        right, total = right + right_fields, total + fields
    return Score(exact=exact / len(answers), fields=right / total)
