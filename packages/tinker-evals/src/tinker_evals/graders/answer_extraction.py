"""Finding the answer in a reply. What finds none says None; nothing here guesses."""

from __future__ import annotations

import re
from collections.abc import Iterator

_NUMBERS = re.compile(  # a sign that stands after a word or a number is a hyphen
    r"(?<![\w).])(?:[-\u2212+]\s?)?[$€£]?(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)"
)
_HASHES = re.compile(r"####\s*(\S[^\n]*)")
_ANSWER_IS = re.compile(r"(?:answer|result)\s*(?:is|=|:)\s*:?\s*(\S[^\n]*)", re.IGNORECASE)
_FENCED = re.compile(r"```(?:[\w+-]*)\n(.*?)(?:\n```|\Z)", re.DOTALL)
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")


def after_hashes(text: str) -> str | None:
    """The rest of the first line that has `####`, the form of GSM8K's own solutions."""
    found = _HASHES.search(text)
    return found[1].strip() if found else None


def number_after_hashes(text: str) -> str | None:
    """The first number on that line."""
    found = _NUMBERS.search(after_hashes(text) or "")
    return found[0] if found else None


def last_number(text: str) -> str | None:
    """The last number in the text, as it stands there."""
    found = _NUMBERS.findall(text)
    return found[-1].strip() if found else None


def last_boxed(text: str) -> str | None:
    r"""What stands in the last `\boxed{...}` that is closed."""
    contents = [inner for inner in map(_balanced, _after_boxes(text)) if inner is not None]
    return contents[-1].strip() if contents else None


def _after_boxes(text: str) -> Iterator[str]:
    return (text[box.end() :] for box in _BOX.finditer(text))


def _balanced(text: str) -> str | None:
    """Up to the brace that closes one opened before the text; None if it stays open."""
    depth, escaped = 1, False
    for i, character in enumerate(text):
        if not escaped:
            depth += (character == "{") - (character == "}")
        if depth == 0:
            return text[:i]
        escaped = character == "\\" and not escaped
    return None


def stated_answer(text: str) -> str | None:
    """What follows the last "the answer is" or "Answer:" on its line, without the final stop."""
    found = _ANSWER_IS.findall(text)
    return re.sub(r"[\s.]+$", "", found[-1]).strip("* ") or None if found else None


def after_answer(text: str) -> str | None:
    """All that follows the last `Answer:` that begins a line, further lines included."""
    *_, rest = re.split(r"(?im)^\W{0,4}(?:final\s+)?answer\W{0,2}:", text) if text else [""]
    return rest.strip("* \n\t") or None if rest != text else None


def last_line(text: str) -> str | None:
    """The last line that is not blank."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else None


def code_block(text: str) -> str | None:
    """The longest fenced block; one that is not closed reaches to the end."""
    blocks = _FENCED.findall(text)
    return max(blocks, key=len) if blocks else None


def stated_letter(text: str, count: int) -> str | None:
    """The letter, one of the first `count`, of the last line that says `Answer: C`."""
    pattern = (
        rf"^\W*(?:the\s+)?(?:final\s+)?answer\s*:\W{{0,4}}({_letters(count)})\b(?!['\u2019])\W*$"
    )
    found = re.findall(pattern, text, re.IGNORECASE | re.MULTILINE)
    return found[-1].upper() if found else None


def shown_letter(text: str, choices: tuple[str, ...]) -> str | None:
    """The choice that a reply shows, in whatever form: boxed, "the answer is (C)", "C.", its text.

    None where there is none, and where the whole reply could be meant as more than one.
    """
    letter = rf"\W{{0,4}}({_letters(len(choices))})\b(?!['\u2019])"
    boxed = re.match(rf"{letter}\W*$", re.sub(r"\\text\{|\}", "", last_boxed(text) or ""))
    stated = re.findall(rf"(?i:answer|choice|option)\s*(?i:is|:|=)?\s*:?{letter}", text)
    alone = re.match(rf"{letter}(?:\s*$|\s*[).:]|\s*\n)", text.strip())
    named = [i for i, choice in enumerate(choices) if _same_words(choice, text)]
    if boxed:
        return boxed[1]
    if stated:
        return str(stated[-1])
    if alone:
        return alone[1]
    return chr(ord("A") + named[0]) if len(named) == 1 else None


def _letters(count: int) -> str:
    return f"[A-{chr(ord('A') + count - 1)}]"


def _same_words(a: str, b: str) -> bool:
    return re.findall(r"\w+", a.lower()) == re.findall(r"\w+", b.lower()) != []
