"""Problems: a prompt, a reference answer, and the other fields of the row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from tinker_core import DataError, Message, as_conversation
from tinker_data.layouts.fields import messages_of
from tinker_data.rows import NOWHERE, Place, RawRow, as_mapping


@frozen(kw_only=True)
class Problem:
    """A prompt and its reference answer."""

    prompt: tuple[Message, ...] = field(converter=as_conversation)
    answer: str | None = None
    details: Mapping[str, Any] = field(factory=dict)
    """The other fields of the row."""
    place: Place = field(default=NOWHERE, eq=False)


def read_problem(row: RawRow) -> Problem:
    """The problem in a row: `messages`, `prompt`, `question` or `problem`, and an `answer`.

    All other fields are in `details`. Raises DataError with place and field.
    """
    value = as_mapping(row)
    try:
        key = next((key for key in _PROBLEM_KEYS if key in value), None)
        if key is None:
            raise DataError(f"no problem: needs one of {_PROBLEM_KEYS}, has {sorted(value)}")
        prompt = messages_of(value, key, role="user")
        answer = value.get("answer")
        if answer is not None and not isinstance(answer, str | int | float):
            raise DataError(f"must be text or a number, not {answer!r:.80}", field="answer")
    except DataError as error:
        raise row.place.error(error) from error
    return Problem(
        prompt=prompt,
        answer=None if answer is None else str(answer),
        details={k: v for k, v in value.items() if k not in (key, "answer")},
        place=row.place,
    )


_PROBLEM_KEYS = ("messages", "prompt", "question", "problem")
