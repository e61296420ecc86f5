"""Answer match of mathematics: by spelling, as exact numbers, or by math-verify."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from tinker_core.numbers import read_number
from tinker_core.process_pool import CallKilledError, ProcessPool
from tinker_evals.optional_packages import check_extra

_MAX_LENGTH = 1_000
"""Characters. A longer expression is no answer."""
_WORKER = Path(__file__).with_name("workers") / "mathematics.py"

_SYMBOLS = str.maketrans(
    {
        "\u2212": "-",
        "\u2205": r"\emptyset ",
        "\u03c0": r"\pi ",
        "\u221e": r"\infty ",
        "\u00d7": r"\times ",
        "$": "",
    }
    | {"\u2264": r"\le ", "\u2265": r"\ge ", "\u222a": r"\cup ", "\u00b7": r"\cdot "}
)
_WORD = r"\\(?:text|textbf|textit|mathrm|mathbf|mbox)\s*"
_LAYOUT = re.compile(r"\\(?:left|right|displaystyle)(?![a-z])|\\[,!;:\s]|(?<!\d)\s|\s(?!\d)")
_JOIN = re.compile(rf"{_WORD}\{{\s*(?:and|or|,)\s*\}}|\s(?:and|or)\s")
_UNIT = re.compile(rf"(?<=[\d)}}])\s*(?:\\ )?{_WORD}\{{[^{{}}]*\}}(?:\s*\^\s*\{{?\d\}}?)?\s*$")
_REPEATING = re.compile(r"(\d*)\.(\d*)\\overline\s*\{?(\d+)\}?")
_VARIABLE = re.compile(r"(?<![A-Za-z\\])([A-Za-z])\s*=")
_NAME = re.compile(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])")
_EQUALS = re.compile(r"(?<![<>!:\\])=")
_DOTS = r"\\[lcd]?dots|\.\.\.|\u2026"
_SPELLED = re.compile(
    rf"{_DOTS}"  # a sequence of which the middle is left out
    r"|[\d)}\]]_"  # the base of a number, which math-verify ignores
    r"|\d\s*:\s*\d"  # a ratio or a time, which math-verify takes for a quotient
    rf"|\d.*{_WORD}\{{[^{{}}]*[a-z].*\d"  # numbers with words between them
)
"""Expressions that are compared by their spelling alone."""


def same_math(answer: str, target: str) -> bool:
    """True if two LaTeX expressions mean the same: by spelling, as numbers, or by math-verify.

    math-verify runs in another process and is killed after five seconds: an answer that cannot be
    evaluated in that time is wrong. Safe to call from any thread. Raises ConfigError where
    math-verify is needed and not installed.
    """
    if max(len(answer), len(target)) > _MAX_LENGTH:
        return answer.strip() == target.strip()
    ours, theirs = _value_sides(_plain(answer), _plain(target))
    if not ours or not theirs:
        return False
    if _spelling(ours) == _spelling(theirs):
        return True
    numbers = [read_number(text) for text in (ours, theirs)]
    if all(numbers) and ("%" not in ours + theirs or numbers[0] == numbers[1]):
        return numbers[0] == numbers[1]
    if not _comparable(ours, theirs):
        return False
    try:
        return bool(_pool().call(ours, theirs))
    except CallKilledError:
        return False


@cache
def _pool() -> ProcessPool:
    check_extra("math_verify", "math", "comparing mathematics")
    return ProcessPool(f"{_WORKER}:equal")


def _plain(latex: str) -> str:
    """Without math delimiters, a unit, a set membership and a final stop."""
    text = re.sub(r"^\s*[A-Za-z]\s*\\in(?![a-z])", "", latex.replace(r"\$", "").translate(_SYMBOLS))
    text = re.sub(r"\\[()\[\]]", " ", text).strip().rstrip(".")
    text = _REPEATING.sub(_fraction, _JOIN.sub(",", text))
    return _UNIT.sub("", text).strip()


def _fraction(found: re.Match[str]) -> str:
    whole, once, again = found.groups()
    value = int((whole + once + again) or 0) - int((whole + once) or 0)
    return rf"\frac{{{value}}}{{{(10 ** len(again) - 1) * 10 ** len(once)}}}"


def _value_sides(answer: str, target: str) -> tuple[str, str]:
    """`5` for `x = 5` and `2 + 3 = 5`, where the other is no equation."""
    sides = [_EQUALS.split(text) for text in (answer, target)]
    if len(sides[0]) == 1 or len(sides[1]) == 1:
        answer, target = (
            text if "," in text else parts[-1].strip()
            for text, parts in zip((answer, target), sides, strict=True)
        )
    return answer, target


def _spelling(latex: str) -> str:
    """Without what does not change the meaning: spaces, commands for words, case of words."""
    text = _LAYOUT.sub("", re.sub(rf"{_WORD}\{{([^{{}}]*)\}}", r"\1", latex))
    text = re.sub(_DOTS, "...", text.replace(r"\varnothing", r"\emptyset"))
    text = re.sub(r"([_^])\{(\w)\}", r"\1\2", re.sub(r"\\[dt]frac", r"\\frac", text))
    text = re.sub(r"(?<![\\A-Za-z])[A-Za-z]{2,}", lambda word: word[0].lower(), text)
    return re.sub(r"^\(([A-Za-z])\)$", r"\1", text)


def _comparable(ours: str, theirs: str) -> bool:
    """True if math-verify can tell the two apart."""
    brackets = {kind for kind in map(_brackets, (ours, theirs)) if kind}
    assignments = {len(set(_VARIABLE.findall(text))) > 1 for text in (ours, theirs)}
    spelled = any(map(_SPELLED.search, (ours, theirs))) or _differ_in_case(ours, theirs)
    return not spelled and len(brackets) < 2 and len(assignments) == 1


def _differ_in_case(ours: str, theirs: str) -> bool:
    """True if the variables differ in case alone, which math-verify ignores: `r^2` and `R^2`."""
    names = [set(_NAME.findall(text)) for text in (ours, theirs)]
    lower = [{name.lower() for name in found} for found in names]
    return names[0] != names[1] and lower[0] == lower[1]


def _brackets(latex: str) -> str | None:
    """The brackets around a whole list, such as `[)`."""
    found = re.fullmatch(
        r"([(\[]|\\\{)[^()\[\]{}]*,[^()\[\]{}]*([)\]]|\\\})", _LAYOUT.sub("", latex)
    )
    return found[1] + found[2] if found else None
