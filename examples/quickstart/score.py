"""The score of a reply: the share of the record's fields that it has right.

The score is as strict as a program that reads the record: a reply that is not one JSON object has
no field right, and a number in quotes is not that number.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from attrs import frozen


@frozen(kw_only=True)
class Score:
    """Shares, from 0 to 1."""

    exact: float
    """Share of the replies with every field right and no other field."""
    fields: float
    """Share of the expected fields that are right, over all replies."""


def parse_record(text: str) -> dict[str, object] | None:
    """The JSON object in the text; None if the text is anything else."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def count_right_fields(answer: str, expected: str) -> int:
    """Number of the expected fields that the reply has, equal in value and type."""
    given, wanted = parse_record(answer) or {}, parse_record(expected)
    if not wanted:
        raise ValueError(f"the expected answer is no JSON object with fields: {expected!r}")
    return sum(
        key in given and type(given[key]) is type(value) and given[key] == value
        for key, value in wanted.items()
    )


def score(answers: Sequence[str], expected: Sequence[str]) -> Score:
    """The score of replies against the expected records, in the same order."""
    if len(answers) != len(expected) or not answers:
        raise ValueError(f"{len(answers)} answers for {len(expected)} expected records")
    exact = right = total = 0
    for answer, wanted in zip(answers, expected, strict=True):
        fields = len(parse_record(wanted) or {})
        right_fields = count_right_fields(answer, wanted)
        exact += right_fields == fields == len(parse_record(answer) or {})
        right, total = right + right_fields, total + fields
    return Score(exact=exact / len(answers), fields=right / total)
