"""Problems: a prompt, a reference answer, and the other fields of the row."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
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


_KEYS = ("messages", "prompt", "question", "problem")


def read_problem(row: RawRow, *, ignored_keys: Collection[str] = ()) -> Problem:
    """The problem in a row: `messages`, `prompt`, `question` or `problem`, and an `answer`.

    All other fields are in `details`. Raises DataError with place and field, also for a row that
    has two of these fields without one of them among the ignored keys.
    """
    value = as_mapping(row)
    with row.place.errors():
        key = _key_of(value, ignored_keys)
        prompt = messages_of(value, key, role="user")
        answer = value.get("answer")
        if isinstance(answer, float) and not math.isfinite(answer):
            raise DataError(f"must be finite, not {answer}", field="answer")
        if answer is not None and not isinstance(answer, str | int | float):
            raise DataError(f"must be text or a number, not {answer!r:.80}", field="answer")
    return Problem(
        prompt=prompt,
        answer=None if answer is None else str(answer),
        details={k: v for k, v in value.items() if k not in (key, "answer")},
        place=row.place,
    )


def _key_of(value: Mapping[str, Any], ignored: Collection[str]) -> str:
    found = [key for key in _KEYS if value.get(key) is not None and key not in ignored]
    if not found:
        raise DataError(f"no problem: needs one of {_KEYS}, has {sorted(value)}")
    if len(found) > 1:
        raise DataError(f"the problem may stand in {' and '.join(found)}; ignore all but one")
    return found[0]
