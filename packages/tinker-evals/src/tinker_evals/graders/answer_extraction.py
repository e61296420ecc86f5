"""Answer extraction: the part of a reply that is its answer. None where there is no answer."""

from __future__ import annotations

import re

_NEXT_QUESTION = re.compile(
    r"\n[^\w\n]{0,8}(?:next\s)?(?:question|problem|q)\b\W{0,4}:", re.IGNORECASE
)
_HASHES = re.compile(r"####[ \t]*([^\n]*)")
_BOX = re.compile(r"\\(?:boxed|fbox)\s*(?:(\{)|([^\s{}\\$]))")
_FENCED = re.compile(r"```(?:[\w+-]*)\n(.*?)(?:\n```|\Z)", re.DOTALL)
_MATH = re.compile(
    r"\$\$(.{1,1000}?)\$\$|\$([^$\n]{1,1000})\$|\\\[(.{1,1000}?)\\\]|\\\((.{1,1000}?)\\\)",
    re.DOTALL,
)

ANNOUNCEMENT = (
    r"(?:\b(?:answer|result|ans\.?|antwort|respuesta(?:\s+correcta)?|r(?:isp|esp)osta|ответ)"
    r"|r[ée]ponse|odpowied[zź]|答案|正解|答え|정답|답)(?:\s+(?:to|for|of|here|should|must|would|could|might|may)\b[^.:\n]{0,40}?)?"
)
"""Words that announce an answer, in some languages."""
LINK = (
    r"[\"'*_\s]*(?:\b(?:is(?=n['\u2019]t)|(?:is|was|be|est|ist|es|è|é|jest|lautet)\b)|[=:]|[是为為は은])"
    r"[\"'*_\s:]*"
)
"""Text between an announcement and its answer."""
CORRECTION = re.compile(
    r"\b(?:(?:actually|wait|hmm|correction)\b[,.:!]|recalculate|mistake)", re.IGNORECASE
)
"""Text that takes back the answer before them."""
_STATED = re.compile(rf"{ANNOUNCEMENT}{LINK}(?=(\S[^\n]{{0,999}}))", re.IGNORECASE)
_TAGGED = re.compile(r"<answer>\s*([^<\n]+?)\s*</answer>", re.IGNORECASE)


def first_answer(text: str) -> str:
    """The reply up to a further question that a base model makes up after its answer."""
    for found in _NEXT_QUESTION.finditer(text):
        answered = text[: found.start()].rstrip()
        if after_hashes(answered) or stated_answer(answered) or last_boxed(answered):
            return answered
    return text


def after_hashes(text: str) -> str | None:
    """The rest of the last line that has `####`, the form of GSM8K's own solutions."""
    found = _HASHES.findall(text)
    return found[-1].strip() if found else None


def last_boxed(text: str) -> str | None:
    r"""The content of the last `\boxed{...}`.

    A reply that ends within its only box was cut off and has no answer. Within a later box, what
    stands there counts, because it takes back the boxes before.
    """
    boxes = list(_BOX.finditer(text))
    if not boxes:
        return None
    last = boxes[-1]
    if last[2] is not None:
        return last[2]
    content, closed = _to_closing_brace(text[last.end() :])
    return content.strip() if closed or len(boxes) > 1 else None


def _to_closing_brace(text: str) -> tuple[str, bool]:
    """The text up to the brace that closes one before it, or to its line's end without one."""
    depth, escaped = 1, False
    for i, character in enumerate(text):
        if not escaped:
            depth += (character == "{") - (character == "}")
        if depth == 0:
            return text[:i], True
        escaped = character == "\\" and not escaped
    return text.split("\n", 1)[0], False


def stated_answer(text: str) -> str | None:
    """The text after the last "the answer is" or "Answer:" on its line, without the final stop."""
    found = _TAGGED.findall(text) or _STATED.findall(text)
    return re.sub(r"[\s.]+$", "", found[-1]).strip("* ") or None if found else None


def after_answer(text: str) -> str | None:
    """All that follows the last `Answer:` that begins a line, further lines included."""
    *_, rest = re.split(r"(?im)^\W{0,4}(?:final\s+)?answer\W{0,2}:", text) if text else [""]
    return rest.strip("* \n\t") or None if rest != text else None


def last_line(text: str) -> str | None:
    """The last line that is not blank."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else None


def last_math(text: str) -> str | None:
    r"""The last formula, in `$...$`, `\(...\)` or `\[...\]`."""
    found = [next(part for part in parts if part) for parts in _MATH.findall(text)]
    return found[-1].strip() if found else None


def code_block(text: str) -> str | None:
    """The longest fenced block; one that is not closed reaches to the end."""
    blocks = _FENCED.findall(text)
    return max(blocks, key=len) if blocks else None
