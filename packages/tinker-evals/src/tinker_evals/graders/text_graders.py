"""The text graders of the package's tasks. Each is a value."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from tinker_core.process_pool import CallKilledError, ProcessPool
from tinker_evals.dataset.item import Item
from tinker_evals.graders.answer_extraction import (
    first_answer,
    last_boxed,
    last_line,
    stated_answer,
)
from tinker_evals.graders.answer_match import same_number, same_text
from tinker_evals.graders.choice_extraction import chosen_letter, stated_letter
from tinker_evals.graders.math_extraction import shown_expression
from tinker_evals.graders.math_match import same_math
from tinker_evals.graders.number_extraction import (
    number_after_hashes,
    shown_number,
    stated_number,
    whole_number,
)
from tinker_evals.graders.text_grader import TextGrader


def _target(item: Item) -> str:
    return str(item.target)


exact = TextGrader(
    name="exact",
    version=1,
    strict=lambda reply, item: reply.strip() if reply.strip() == _target(item).strip() else None,
    lenient=lambda reply, _: stated_answer(first_answer(reply)) or last_line(reply),
    match=lambda answer, item: same_text(answer, _target(item)),
)
"""The reply is the target and nothing else; lenient: what it states, case and punctuation apart."""

stated = TextGrader(
    name="stated",
    version=1,
    strict=lambda reply, _: stated_answer(first_answer(reply)),
    lenient=lambda reply, _: last_line(reply),
    match=lambda answer, item: same_text(answer, _target(item)),
)
"""A line `Answer: ...`; lenient: the last line. Case, punctuation and articles apart."""

choice = TextGrader(
    name="choice",
    version=1,
    strict=lambda reply, item: stated_letter(reply, len(item.choices)),
    lenient=lambda reply, item: chosen_letter(reply, item.choices),
    match=lambda answer, item: answer == _target(item),
)
"""A line `Answer: C`; lenient: the one letter or text of a choice that the reply settles on."""


def _number_grader(name: str, strict: Callable[[str], str | None]) -> TextGrader:
    return TextGrader(
        name=name,
        version=1,
        strict=lambda reply, _: strict(reply),
        lenient=lambda reply, _: shown_number(reply),
        match=lambda answer, item: same_number(answer, _target(item)),
    )


hashes = _number_grader("hashes", number_after_hashes)
"""A last line `#### 18` with one number, units around it; lenient: the number that is shown."""

number_alone = _number_grader("number alone", whole_number)
"""The reply is a number and nothing else; lenient: the number that is shown."""

numeric = _number_grader("numeric", stated_number)
"""A line `Answer: 18`; lenient: the number that is shown."""

boxed = TextGrader(
    name="boxed",
    version=1,
    strict=lambda reply, _: last_boxed(first_answer(reply)),
    lenient=lambda reply, _: shown_expression(reply),
    match=lambda answer, item: same_math(answer, _target(item)),
)
r"""`\boxed{...}`, equal as mathematics; lenient: the expression that is stated or stands last."""


def pattern(name: str, expression: str, *, flags: re.RegexFlag = re.NOFLAG) -> TextGrader:
    """A grader whose answer is the expression's first group, or its whole match.

    Strict takes it as the last line, nothing around it; lenient where it last occurs. An expression
    that takes longer than five seconds on a reply finds nothing.
    """
    re.compile(expression, flags)

    def search(text: str, *, whole: bool) -> str | None:
        try:
            found: str | None = _pattern_pool().call(expression, int(flags), text, whole)
        except CallKilledError:
            return None
        return found

    return TextGrader(
        name=f"pattern {name}: {expression}",
        version=1,
        strict=lambda reply, _: search(last_line(reply) or "", whole=True),
        lenient=lambda reply, _: search(reply, whole=False),
        match=lambda answer, item: answer == _target(item),
    )


@cache
def _pattern_pool() -> ProcessPool:
    return ProcessPool(f"{Path(__file__).with_name('workers') / 'pattern.py'}:search")
