r"""Numbers in text, as exact fractions: one strict parser for rewards and graders.

A numeral counts only where it stands for one number. A numeral that is part of something else (a
time, a date, a tuple, a list, a power, a sum) is refused as a whole, never read in part.

- signs: `-3`, `+3`, U+2212, en dash. The ends of the range `12-15` are numbers; `5 - 3` is refused.
- thousands: `1,234`, `10{,}000`, `11,\!111`, no-break and thin spaces. `1,23`, `1 200`, `1'234`
  and `(1,234)`, which may be a pair, are refused.
- decimals: `.5`, `5.50`, `12.`. A decimal comma is refused.
- exponents up to 999: `1e5`, `1.5 x 10^5`, `10^5`.
- fractions: `3/4`, `\frac{3}{4}`, `½`, `2 1/2`. `1/2/3` and `1.5/2` are refused.
- units: `25%` is 25, `$3.20` is 3.2, `18 cm` and `18cm` are 18.
- multiples: `70k`, `5 million`, `3万`. `5M`, `2x` and `2nd` are refused.
- full-width digits, and digits beside Chinese, Japanese or Korean text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from fractions import Fraction

from attrs import field, frozen

_MAX_DIGITS = 1_000
"""Longer numerals are refused: Python does not parse them, and their arithmetic takes too long."""
_WINDOW = 32
"""Characters before and after a numeral that decide whether it stands alone."""

_CHARACTERS = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}  # full-width forms
_CHARACTERS |= {ord(dash): "-" for dash in "\u2010\u2011\u2013\ufe63"}
_CHARACTERS |= {ord("\u2044"): "/", ord("\u066b"): ".", ord("\u066c"): ","}
_SUPERSCRIPTS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")

_TIDY = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # thousands separators of LaTeX and of typography
        (r"(?<=[0-9])(?:\{,\}|[\u00a0\u2009\u202f]|,?\\[,!;: ]\s*)(?=[0-9]{3}(?![0-9]))", ","),
        (r"\\([$%#])", r"\1"),
        (r"\\[()\[\]]|\\(?:left|right|displaystyle)(?![a-z])|\\[,!;: ]", " "),
        (r"\\[dt]?frac\s*\{\s*([-\u2212]?[0-9]+)\s*\}\s*\{\s*([0-9]+)\s*\}", r" \1/\2"),
        (r"\\[dt]?frac\s*([0-9])([0-9])", r" \1/\2"),
        (r"([-+\u2212])\s+(?=[0-9]+/)", r"\1"),
        (r"(?<=[0-9])\s*/\s*(?=[0-9])", "/"),
        (r"\^\s*(?:\{\s*)?\\circ\s*\}?", "°"),
        # Markdown emphasis
        (r"(?<![A-Za-z0-9)])(?:\*+|_+)(?=\S)|(?<=\S)(?:\*+|_+)(?![A-Za-z0-9({\\])", " "),
        # scientific notation
        (
            r"(?:(?<=[0-9])\s?(?:[\u00d7\u00b7*x]|\\times|\\cdot)\s?|(?P<alone>(?<![0-9.,^\w])))"
            r"10\s?\^\s?\{?(?P<power>[-\u2212]?[0-9]{1,3})\}?(?![0-9])",
            lambda found: f"{'' if found['alone'] is None else '1'}e{found['power']}",
        ),
        # a sign before a space, where no difference is meant
        (r"^\s*([-+\u2212])\s+(?=\S+\s*$)", r"\1"),
        (r"\b(?:[Mm]inus|[Nn]egative)\s+(?=[$€£¥₹]?[.0-9])", "-"),
        (r"([=:({\[]\s*|\b(?:is|are|was|be|equals)\s+)([-\u2212])\s+(?=[$€£¥₹]?[.0-9])", r"\1\2"),
        (r"(?<![A-Za-z0-9)\]}%]\s)\u2212\s+(?=[$€£¥₹]?[.0-9])", "\u2212"),
    )
]

_NUMERAL = re.compile(
    r"""
    (?P<sign>[-+\u2212]?) (?P<currency>(?:[$€£¥₹]\s?)?) (?P<minus>[-\u2212]?)
    (?P<digits>
        [0-9]+[ ]+[0-9]+/[0-9]+(?![0-9/]|[.,:][0-9])
      | (?:(?<![A-Za-z0-9.])\.)?[0-9](?:[0-9]|[.,:/'\u2019_](?=[0-9]))*
        (?:[eE][-+\u2212]?[0-9]+(?![A-Za-z0-9]|\.[0-9]))?
    )
    (?P<multiple>
        [kK](?![A-Za-z0-9]) | \s?(?:hundred|thousand|million|billion|trillion)\b
      | [百千万萬亿億](?![克米瓦]) |
    )
    (?:\s?%)?
    """,
    re.VERBOSE,
)
_DECIMAL = re.compile(
    r"([0-9]{1,3}(?:,[0-9]{3})+|[0-9]*)(\.[0-9]+)?(?:[eE]([-+\u2212]?[0-9]{1,3}))?"
)
_RATIO = re.compile(r"(?:([0-9]+)[ ]+)?([0-9]+)/([0-9]+)")
_MULTIPLES = {"": 0, "k": 3, "hundred": 2, "thousand": 3, "million": 6, "billion": 9}
_MULTIPLES |= {"trillion": 12, "百": 2, "千": 3, "万": 4, "萬": 4, "亿": 8, "億": 8}

_OPERAND = r"(?:[0-9)\]}%!]|(?<![A-Za-z])[A-Za-z])"
_TIMES = r"[+*^\u00d7\u00b7\u00f7]|\\times|\\cdot|\\div|\\pm"
_FUNCTION = r"(?:sqrt|log|ln|sin|cos|tan|exp|[dt]?frac|binom|overline)"
_NOT_ALONE_BEFORE = re.compile(
    rf"""
    (?: {_OPERAND}\s*(?:{_TIMES}|/|\b[xX]|\s-|\u2212)\s*[({{]?\s*  # 3 x, 5 -, x^{{
      | {_OPERAND}\(\s*                                          # 3(, f(
      | [\w)]\s+[<>\u2264\u2265]\s*                              # x >
      | \\?\b{_FUNCTION}\s*[({{]?\s* | \}}\s*\{{\s*              # \sqrt{{, \frac{{x}}{{
      | [\u00b1\u221a^]\s*[({{]?\s* | \.\(\s*                    # a square root, 0.(
    )$""",
    re.VERBOSE,
)
_NOT_ALONE_AFTER = re.compile(
    rf"""
      \s*(?:\^ | (?:{_TIMES}|\u00b1)\s*[\w(\\])                      # ^, + x
    | \s*[-\u2212]\s*(?![aI])[A-Za-z]\b | \s*/\s*(?:[(\\]|(?![dghms]\b)[A-Za-z]\b)  # - x, / x
    | \s*[\u221a\u03c0\u221e] | \((?![A-Za-z]{{2}}) | \.\(           # a root, pi, (x
    | \.?\s*\\(?!text|mathrm|mathbf|mbox|q?quad|\\|,)                # \sqrt, .\overline
    | (?:st|nd|rd|th|bn|mn|pi)(?![A-Za-z]) | [A-Za-z]+[0-9(^_]       # 2nd, 3bn, 2e(
    | (?![mgslhLC](?![A-Za-z]))[A-Za-z](?![A-Za-z])                  # 2x; 5m is a unit
    | \s+and\s+(?:a|one)\s+(?:half|third|quarter)
    """,
    re.VERBOSE,
)
_BETWEEN = re.compile(
    r"""
      [ \t]+
    | [ \t]*(?:[,;|&\u3001] | ,?[ \t]*\b(?:and|to|through|by|in|of|out[ ]of)\b | [和至到])[ \t]*
      (?:[A-Za-z][ \t]*=[ \t]*)?
    | [ \t]*(?:\w+[ \t]+)?,?[ \t]*(?:\bor\b|或)[ \t]*(?:[A-Za-z][ \t]*=[ \t]*)?
    """,
    re.VERBOSE,
)
"""Joins two numerals into a list, a range or a choice: neither stands alone."""


@frozen
class Number:
    """A number in a text. Two are equal when their values are."""

    value: Fraction
    text: str = field(eq=False)
    """The numeral with its sign, currency and multiple."""


def read_number(text: str) -> Number | None:
    """The number that the whole text is; None for anything else, and for more than a number."""
    text = _tidy(text)
    numerals = list(_numerals(text))
    if len(numerals) != 1:
        return None
    (found, number), around = numerals[0], re.compile(r"[\s$€£¥₹°.]*")
    alone = around.fullmatch(text[: found.start()]) and around.fullmatch(text[found.end() :])
    return number if alone else None


def only_number(text: str) -> Number | None:
    """The number of a text that has exactly one, with words and units around it."""
    numbers = [number for _, number in _numerals(_tidy(text))]
    return numbers[0] if len(numbers) == 1 else None


def last_number(text: str) -> Number | None:
    """The last number in a text; None where the last numeral does not stand for a number."""
    numbers = [number for _, number in _numerals(_tidy(text))]
    return numbers[-1] if numbers else None


def _tidy(text: str) -> str:
    """Full-width forms, LaTeX and Markdown as plain text."""
    text = re.sub("[⁻⁰¹²³⁴-⁹]+", lambda found: "^" + found[0].translate(_SUPERSCRIPTS), text)
    text = re.sub(r"[^\W_A-Za-z0-9]", _ascii_digits, text.translate(_CHARACTERS))
    for pattern, replacement in _TIDY:
        text = pattern.sub(replacement, text)
    return text


def _ascii_digits(found: re.Match[str]) -> str:
    digit = unicodedata.decimal(found[0], None)
    if digit is not None:
        return str(digit)
    normal = unicodedata.normalize("NFKC", found[0])
    return " " + normal.replace("\u2044", "/") if "\u2044" in normal else found[0]


def _numerals(text: str) -> Iterator[tuple[re.Match[str], Number | None]]:
    """Each numeral of a tidy text, and its number where it stands for one."""
    end = None
    for found in _NUMERAL.finditer(text):
        before = text[max(0, found.start() - _WINDOW) : found.start()]
        if _is_part_of_a_name(found, before):
            continue
        after = text[found.end() : found.end() + _WINDOW]
        between = "" if end is None else text[end : found.start()]
        related = len(between) <= _WINDOW and _BETWEEN.fullmatch(between)
        alone = not related and _stands_alone(found, before, after)
        yield found, _number(found, before) if alone else None
        end = found.end()


def _is_part_of_a_name(found: re.Match[str], before: str) -> bool:
    """Digits of `x2`, `a_2` and `m^2` belong to the name before them."""
    if found["sign"] or found["currency"]:
        return False
    last = before[-1:]
    return last == "_" or last.lower() != last.upper() or bool(re.search(r"[A-Za-z]\^\{?$", before))


def _stands_alone(found: re.Match[str], before: str, after: str) -> bool:
    if found["sign"] and _joins(before):
        sum_ = found["sign"] != "-" or not re.search(r"(?:[0-9%]|[A-Za-z]{2})$", before)
        date = re.search(r"[0-9]-[0-9]+$", before)
        if sum_ or date:
            return False
    brackets = before.endswith(("(", "[")) and after.startswith((")", "]"))
    pair = brackets and "," in found["digits"] and not found["currency"]
    return not (pair or _NOT_ALONE_BEFORE.search(before) or _NOT_ALONE_AFTER.match(after))


def _joins(before: str) -> bool:
    """True if a sign after this text is a hyphen or an operator, not the numeral's own."""
    return re.search(r"[A-Za-z0-9)\]}%]$", before) is not None


def _number(found: re.Match[str], before: str) -> Number | None:
    value = _value(found["digits"])
    if value is None:
        return None
    value *= 10 ** _MULTIPLES[found["multiple"].strip().lower()]
    own_sign = "" if _joins(before) else found["sign"]
    negative = any(sign in ("-", "\u2212") for sign in (own_sign, found["minus"]))
    text = found[0] if own_sign == found["sign"] else found[0][1:]
    return Number(-value if negative else value, text)


def _value(digits: str) -> Fraction | None:
    if len(digits) > _MAX_DIGITS:
        return None
    if (ratio := _RATIO.fullmatch(digits)) is not None:
        whole, top, bottom = (int(part or 0) for part in ratio.groups())
        proper = ratio[1] is None or top < bottom
        return whole + Fraction(top, bottom) if bottom and proper else None
    if (decimal := _DECIMAL.fullmatch(digits)) is None:
        return None
    integer, decimals, power = (part or "" for part in decimal.groups())
    mantissa = Fraction(integer.replace(",", "") + decimals)
    return mantissa * Fraction(10) ** int(power.replace("\u2212", "-") or 0)
