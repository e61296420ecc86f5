"""The graders that read a text. Each is a value; tasks hold one."""

from __future__ import annotations

import re

from tinker_evals.dataset.item import Item
from tinker_evals.graders.answer_extraction import (
    after_hashes,
    last_boxed,
    last_line,
    last_number,
    number_after_hashes,
    shown_letter,
    stated_answer,
    stated_letter,
)
from tinker_evals.graders.answer_match import number, same_math, same_number, same_text
from tinker_evals.graders.grade import TextGrader


def _target(item: Item) -> str:
    return str(item.target)


exact = TextGrader(
    name="exact",
    version=1,
    strict=lambda reply, item: reply.strip() if reply.strip() == _target(item).strip() else None,
    lenient=lambda reply, _: stated_answer(reply) or last_line(reply),
    same=lambda answer, item: same_text(answer, _target(item)),
)
"""The reply is the target and nothing else; lenient: what it states, case and punctuation apart."""

stated = TextGrader(
    name="stated",
    version=1,
    strict=lambda reply, _: stated_answer(reply),
    lenient=lambda reply, _: last_line(reply),
    same=lambda answer, item: same_text(answer, _target(item)),
)
"""A line `Answer: ...`; lenient: the last line. Case, punctuation and articles apart."""

choice = TextGrader(
    name="choice",
    version=1,
    strict=lambda reply, item: stated_letter(reply, len(item.choices)),
    lenient=lambda reply, item: shown_letter(reply, item.choices),
    same=lambda answer, item: answer == _target(item),
)
"""A line `Answer: C`; lenient: a letter or a choice's text that can mean only one."""

hashes = TextGrader(
    name="hashes",
    version=1,
    strict=lambda reply, _: number_after_hashes(reply),
    lenient=lambda reply, _: last_number(reply),
    same=lambda answer, item: same_number(answer, _target(item)),
)
"""A line `#### 18`; lenient: the last number of the reply."""

number_alone = TextGrader(
    name="number alone",
    version=1,
    strict=lambda reply, _: reply if number(reply) is not None else None,
    lenient=lambda reply, _: last_number(reply),
    same=lambda answer, item: same_number(answer, _target(item)),
)
"""The reply is a number and nothing else; lenient: the last number of the reply."""

numeric = TextGrader(
    name="numeric",
    version=1,
    strict=lambda reply, _: stated_answer(reply),
    lenient=lambda reply, _: last_number(reply),
    same=lambda answer, item: same_number(answer, _target(item)),
)
"""A line `Answer: 18`; lenient: the last number of the reply."""

boxed = TextGrader(
    name="boxed",
    version=1,
    strict=lambda reply, _: last_boxed(reply),
    lenient=lambda reply, _: stated_answer(reply) or after_hashes(reply) or last_line(reply),
    same=lambda answer, item: same_math(answer, _target(item)),
)
r"""`\boxed{...}`, equal in the sense of mathematics; lenient: what it states, or its last line."""


def pattern(name: str, expression: str, *, flags: re.RegexFlag = re.NOFLAG) -> TextGrader:
    """A grader whose answer is the expression's first group, or its whole match.

    Strict takes it as the last line, nothing around it; lenient where it last occurs.
    """
    compiled = re.compile(expression, flags)

    def group(found: re.Match[str]) -> str:
        return str(found[1] if compiled.groups else found[0]).strip()

    def strict(reply: str, _: Item) -> str | None:
        found = compiled.fullmatch(last_line(reply) or "")
        return group(found) if found else None

    def lenient(reply: str, _: Item) -> str | None:
        found = list(compiled.finditer(reply))
        return group(found[-1]) if found else None

    return TextGrader(
        name=f"pattern {name}: {expression}",
        version=1,
        strict=strict,
        lenient=lenient,
        same=lambda answer, item: answer == _target(item),
    )
