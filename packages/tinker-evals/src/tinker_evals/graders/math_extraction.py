"""Extraction of an expression from a reply without a box."""

from __future__ import annotations

import re

from tinker_core.numbers import Number, last_number, only_number
from tinker_evals.graders.answer_extraction import (
    after_hashes,
    first_answer,
    last_line,
    last_math,
    stated_answer,
)

_END = re.compile(r"[.!?]\s|,\s+(?:or|which|so|i\.e\.|because|since)\b|\s\(|\b(?:because|since)\b")
_PROSE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}")


def shown_expression(text: str) -> str | None:
    """The expression that a reader takes for the answer: stated, after `####`, or the last one."""
    text = first_answer(text)
    statement = stated_answer(text) or after_hashes(text)
    if statement is not None:
        statement = _END.split(statement, maxsplit=1)[0]
        return last_math(statement) or _number(only_number(statement)) or statement.strip()
    line = last_line(text)
    if line is None:
        return None
    ends_with_block = line.rstrip(".") in ("\\]", "$$")
    if (formula := last_math(text if ends_with_block else line)) is not None:
        return formula
    return _number(last_number(line)) if _PROSE.search(line) else line.strip("* ")


def _number(number: Number | None) -> str | None:
    return None if number is None else number.text
