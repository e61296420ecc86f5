"""Extraction of numbers: after `####`, stated in a sentence, or the last number of a reply."""

from __future__ import annotations

import re

from tinker_core.numbers import Number, last_number, only_number, read_number
from tinker_evals.graders.answer_extraction import (
    CORRECTION,
    after_hashes,
    first_answer,
    last_boxed,
    stated_answer,
)

_CLAUSE = re.compile(
    r"[,;]\s+(?![-\u2212]?[$€£]?\d)|[.!?](?:\s|$)|\s\(|\b(?:because|since|which|not)\b|n['\u2019]t\b",
    re.IGNORECASE,
)
"""The end of the first clause of a statement; the text after it explains the clause."""
_EXPLANATION = re.compile(
    r"\([^()\n]*\)|(?<=\w),?\s(?:because|since|which|i\.e\.)\s[^.\n]*"
    r"|\n\W{0,4}(?:[Nn]ote|[Tt]o check|[Cc]heck|[Vv]erification|[Rr]eferences)\b.*",
    re.DOTALL,
)
"""Text that explains or checks an answer; its numbers are not the answer."""
_UNSURE = re.compile(
    r"\b(?:about|around|approximately|roughly|nearly|almost|not|or|between)\b|n['\u2019]t\b|[~≈]"
)


def whole_number(text: str) -> str | None:
    """The reply, where it is a number and nothing else."""
    return _text(read_number(text))


def number_after_hashes(text: str) -> str | None:
    """The number on the last line with `####`, where that line has exactly one."""
    return _text(only_number(after_hashes(first_answer(text)) or ""))


def stated_number(text: str) -> str | None:
    """The number after the last "the answer is" or "Answer:", and nothing else."""
    return _text(read_number(stated_answer(first_answer(text)) or ""))


def shown_number(text: str) -> str | None:
    """The number that a reader takes for the answer.

    The last `####` line decides, then the last statement "the answer is ...", then the last box,
    then the last number of the reply. What is stated with doubt, or as one of two, is no answer.
    """
    text = first_answer(text)
    if (line := after_hashes(text)) is not None:
        return _text(_number_of_statement(line))
    if (statement := stated_answer(text)) is not None:
        number = _corrected(text[text.rfind(statement) :]) or _number_of_statement(statement)
        if number is not None or _UNSURE.search(statement.lower()):
            return _text(number)
    if (box := last_boxed(text)) is not None:
        return _text(only_number(box))
    return _text(last_number(_EXPLANATION.sub(" ", text)) or last_number(text))


def _corrected(text: str) -> Number | None:
    found = CORRECTION.search(text)
    return None if found is None else last_number(text[found.end() :])


def _number_of_statement(statement: str) -> Number | None:
    clause = _CLAUSE.split(statement, maxsplit=1)[0].split("=")[-1]
    return None if _UNSURE.search(clause.lower()) else only_number(clause)


def _text(number: Number | None) -> str | None:
    return None if number is None else number.text
