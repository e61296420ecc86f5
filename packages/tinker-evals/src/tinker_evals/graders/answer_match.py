"""When two answers are the same."""

from __future__ import annotations

import re
import string
import threading
from fractions import Fraction

from tinker_evals.optional_packages import extra

_GROUPED = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?")
_PLAIN = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)(e[-+]?\d{1,3})?", re.IGNORECASE)
_RATIO = re.compile(r"([-+]?)(?:(\d+)\s*/\s*(\d+)|[dt]?frac\{(\d+)\}\{(\d+)\})")
_MATH_SECONDS = 5
_MATH_LENGTH = 1_000
"""Characters; what is longer is no answer, and would keep sympy busy."""


def number(text: str) -> Fraction | None:
    """The exact value of a number, currency, percent sign, thousands and final stop apart."""
    text = re.sub(r"[$€£\\*%]", "", text.replace("\u2212", "-")).strip().rstrip(".").strip()
    text = re.sub(r"^([-+])\s+", r"\1", text)
    if _GROUPED.fullmatch(text):
        text = text.replace(",", "")
    if _PLAIN.fullmatch(text):
        return Fraction(text)
    ratio = _RATIO.fullmatch(text)
    if ratio is None:
        return None
    sign, *parts = ratio.groups()
    top, bottom = (int(part) for part in parts if part is not None)
    return Fraction(-top if sign == "-" else top, bottom) if bottom else None


def same_number(a: str, b: str) -> bool:
    """Whether both are numbers, and equal."""
    value = number(a)
    return value is not None and value == number(b)


def same_text(a: str, b: str) -> bool:
    """Whether the words are the same: case, punctuation, articles and spaces apart.

    The comparison of SQuAD (Rajpurkar et al. 2016); where there are no words, the signs count.
    """
    words = _words(a)
    return words == _words(b) if words else a.split() == b.split()


def _words(text: str) -> list[str]:
    bare = text.lower().translate(str.maketrans("", "", string.punctuation))
    return [word for word in bare.split() if word not in ("a", "an", "the")]


def same_math(answer: str, target: str) -> bool:
    """Whether two LaTeX expressions mean the same: by spelling, as numbers, or by `math-verify`.

    Raises ConfigError where that package is missing and needed. Outside the main thread its time
    limit does not hold, since that is a signal.
    """
    if _spelling(answer) == _spelling(target) or same_number(answer, target):
        return True
    if max(len(answer), len(target)) > _MATH_LENGTH:
        return False
    math_verify = extra("math_verify", "math", "comparing mathematics")
    seconds = _MATH_SECONDS
    if threading.current_thread() is not threading.main_thread():
        seconds = 0  # none
    parsed = [math_verify.parse(f"${text}$", parsing_timeout=seconds) for text in (target, answer)]
    return all(parsed) and bool(math_verify.verify(*parsed, timeout_seconds=seconds))


def _spelling(latex: str) -> str:
    r"""Without what does not change the meaning: spaces, `\left`, `\text{}`, a final stop."""
    text = re.sub(r"\\(?:left|right|displaystyle|,|!|;|:|\s)|\s|\$", "", latex.strip())
    text = re.sub(r"\\(?:text|textbf|mathrm|mbox)\{([^{}]*)\}", r"\1", text)
    return re.sub(r"\\[dt]frac", r"\\frac", text).rstrip(".")
