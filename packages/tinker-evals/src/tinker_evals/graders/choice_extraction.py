"""Extraction of the chosen letter from a reply to a multiple-choice question.

A letter counts where the reply settles on it. What a reply rejects, asks about or only lists is no
choice, and a reply that settles on two letters has none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from attrs import frozen

from tinker_evals.graders.answer_extraction import (
    ANNOUNCEMENT,
    CORRECTION,
    LINK,
    first_answer,
    last_boxed,
)

Letters = frozenset[str]
"""The letters that a phrase names: one is a choice, several are none."""

_FULL_WIDTH = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
_MARKUP = re.compile(
    r"<(?:b|strong|i|em|u|p|span|code)>|\*+|`+|\\(?:text|textbf|mathbf|mathrm|boxed)\s*\{|[{}$]|\\[()\[\]]"
)
_WORD = r"[A-Za-z0-9\u00c0-\u024f]"
_NOT_A_WORD = rf"(?!{_WORD}|['\u2019])"
_LEAD = (
    r"(?:[\s\"'(\[:#_]|(?:the|either|correct|right|best|option|choice|answer|letter|is|l[ae])\b)*"
)
_REASON = (
    r"\W*(?:$|\n|[^\x00-\u024f]|(?:because|since|as|and|or|which|with|for|not)\b)|[)\].,:;!?/]"
)
_OR = r"(?:[)\].\"\s]*(?:,|/|&|\bor\b|\band\b|\boder\b|\bou\b|或|和)[\s(]*(?:option\s+)?|\)\s*\()"
_REJECTED = re.compile(
    r"\W*(?:(?:it|this|definitely|certainly|clearly|probably|is)\s+)*"
    r"(?:(?:not|neither|never|nicht|pas)\b|n['\u2019]t\b|不)",
    re.IGNORECASE,
)
_NEGATION = re.compile(
    r"\b(?:not|cannot|neither|never|nor|nicht|pas|doubt|reject|discard|(?:eliminat|exclud)\w+"
    r"|rul\w+ out)\b|n['\u2019]t\b|不",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"(?:\b(?:not|cannot|never|doubt|deny|unlikely|unsure|uncertain|wrong|reject)\b|n['\u2019]t\b)"
    r"(?:\s+(?:think|believe|say|claim|mean|agree|clear|sure|certain|convinced|true|correct|to|that"
    r"|if|whether|why|how|the|a|an|be|just|simply)\b)*\s*$",
    re.IGNORECASE,
)
"""Text that denies the statement after it: `I do not think that the answer is B`."""
_INSTEAD = re.compile(
    r"\b(?:but|rather|instead|it is|it['\u2019]s)\s+([^\n]{0,200})", re.IGNORECASE
)

_STATEMENT = re.compile(
    rf"(?:{ANNOUNCEMENT}|\b(?:correct|right|best|my)\s+(?:option|choice|one|pick|guess)"
    r"|\bcorrect(?=\s*:)|####)"
    rf"(?:{LINK}|\s*(?<=####)|\s+[-\u2013]\s+|\s+(?=\(?[A-Z]\)?\.?\s*$))(?=([^\n]{{0,200}}))"
    r"|(?:\b(?:choose|chose|pick|select|go with|go for|opt for|I['\u2019]d say|I would say)\s+"
    r"|[选選](?:择|擇)?\s*)(?=([^\n]{0,200}))"
    r"|\b(?:so|thus|therefore|hence)\b[,:]?\s+((?:option\s+)?\(?[A-Z]\)?\W*)$",
    re.IGNORECASE | re.MULTILINE,
)
_VERDICT = re.compile(
    r"(?<![A-Za-z])([A-Z])\)?(?:[.):]\s+(?:(?!\b[A-Z]\b)[^.\n]){0,60}?)?\s*\b(?:is|was|seems|looks"
    r"|appears|must be|has to be)\s+(?:[a-z]+ly\s+|to be\s+)?"
    r"(?:(wrong|incorrect|false|not)|(?:the\s+)?(?:only\s+)?(?:correct|right|best|true|answer))\b"
)
_GUESS = re.compile(
    r"\b(?:it|this|that)\s*(?:['\u2019]s|is|must be|should be|has to be)\s+(?=([^\n]{0,200}))",
    re.IGNORECASE,
)
_HEDGE = r"(?:\b(?:probably|maybe|perhaps|definitely|likely|i (?:think|guess|believe))\b[\W_]*)?"
_ONE_LETTER = re.compile(
    rf"(?:\d\.)?[\W_]*{_HEDGE}(?:(?:option|choice|answer)[\W_]+)?([A-Za-z])[\W_]*{_HEDGE}",
    re.IGNORECASE,
)
_MENTION = re.compile(r"\(([A-Z])\)|(?i:option|choice)\s+([A-Z])(?![A-Za-z0-9'\u2019])")


def stated_letter(text: str, count: int) -> str | None:
    """The letter, one of the first `count`, of the last line that says `Answer: C`."""
    letter = f"[A-{chr(ord('A') + count - 1)}]"
    pattern = (
        rf"^[^\w\n]{{0,20}}(?:the\s)?(?:final\s)?answer\s?:"
        rf"\W{{0,4}}({letter})\b(?!['\u2019])[^\w\n]*$"
    )
    text = _last_word(first_answer(text))
    found = re.findall(pattern, text, re.IGNORECASE | re.MULTILINE)
    return found[-1].upper() if found else None


def chosen_letter(text: str, choices: Sequence[str]) -> str | None:
    """The choice that a reply settles on: boxed, stated, alone on its line, or by its text."""
    known = _Choices.of(choices)
    text = first_answer(text.translate(_FULL_WIDTH))
    return _settled(_last_word(text), known) or _settled(text, known)


def _last_word(text: str) -> str:
    """The text after the last words that take back what was said before."""
    return CORRECTION.split(text)[-1]


def _settled(text: str, known: _Choices) -> str | None:
    boxed = known.named(_plain(last_boxed(text) or ""))
    text = known.without_list(_plain(re.sub("<answer>", "answer: ", text)))
    for letters in (
        boxed,
        *(find(text, known) for find in (_stated, _alone, _guessed, _mentioned)),
    ):
        if letters:
            return next(iter(letters)) if len(letters) == 1 else None
    return None


def _plain(text: str) -> str:
    return _MARKUP.sub("", re.sub(r"</\w+>", "\n", text))


@frozen
class _Choices:
    phrases: dict[str, re.Pattern[str]]
    """Each letter, and a pattern of its choice's words."""

    @classmethod
    def of(cls, texts: Sequence[str]) -> _Choices:
        return cls({chr(ord("A") + i): _phrase(text) for i, text in enumerate(texts)})

    def named(self, clause: str) -> Letters:
        """The letters that a clause begins with, or the choices whose text it is or holds."""
        if _REJECTED.match(clause):
            instead = _INSTEAD.search(clause)
            return self.named(instead[1]) if instead else Letters()
        clause = re.sub(rf"^{_LEAD}", "", clause, flags=re.IGNORECASE)
        whole = clause.strip(" .!\"'")
        exact = [letter for letter, phrase in self.phrases.items() if phrase.fullmatch(whole)]
        first_part = re.split(r"[.;](?:\s|$)|\n", clause, maxsplit=1)[0]
        return Letters(exact) or self.leading(clause) or self.mentioned(first_part)

    def leading(self, clause: str) -> Letters:
        """The letter at the beginning of a clause, with those that `or` adds to it."""
        found = re.match(rf"([A-Z])(?:{_NOT_A_WORD})|([a-z])(?:\)|\W*$)", clause)
        if found is None or (found[1] in ("A", "I") and not re.match(_REASON, clause[1:])):
            return Letters()
        letters, rest = [(found[1] or found[2]).upper()], clause[1:]
        while (more := re.match(rf"{_OR}([A-Z]){_NOT_A_WORD}", rest)) is not None:
            letters.append(more[1])
            rest = rest[more.end() :]
        return Letters(letter for letter in letters if letter in self.phrases)

    def mentioned(self, text: str) -> Letters:
        """The choices whose text occurs, neither rejected nor within the text of another."""
        found = {
            letter: match.span()
            for letter, phrase in self.phrases.items()
            if (match := _affirmed(phrase, text)) is not None
        }
        return Letters(
            letter
            for letter, (start, end) in found.items()
            if not any(
                a <= start and end <= b and (a, b) != (start, end) for a, b in found.values()
            )
        )

    def without_list(self, text: str) -> str:
        """The reply without a list of the choices that it repeats."""
        entries = [
            rf"\(?{letter}[).:]\s*{phrase.pattern}[ \t.]*(?=$|\n|\s\(?[A-Z][).:])"
            for letter, phrase in self.phrases.items()
        ]
        listed = [re.search(entry, text, re.IGNORECASE) for entry in entries]
        if sum(entry is not None for entry in listed) < 2:
            return text
        for entry in entries:
            text = re.sub(entry, "", text, count=1, flags=re.IGNORECASE)
        return text


def _phrase(text: str) -> re.Pattern[str]:
    """The words of a choice; nothing for a text of one letter, which would be taken for a label."""
    words = re.findall(r"\w+", text)
    phrase = r"\W+".join(map(re.escape, words))
    if not words or re.fullmatch("[A-Za-z]", phrase):
        phrase = "(?!)"
    return re.compile(rf"(?<!{_WORD}){phrase}(?!{_WORD})", re.IGNORECASE)


def _affirmed(phrase: re.Pattern[str], text: str) -> re.Match[str] | None:
    """The first match that is neither rejected nor one of two that `or` joins."""
    for found in phrase.finditer(text):
        before = text[max(0, found.start() - 25) : found.start()]
        after = text[found.end() : found.end() + 25]
        clause = re.split(r"[,.;\n]|\bbut\b", before)[-1]
        joined = re.search(r"\bor\s+$", before) or re.match(
            r"\W+(?:or\b|is (?:wrong|not)\b)", after
        )
        asked = re.match(r"\W*\?", after)
        if not joined and not asked and not _NEGATION.search(clause):
            return found
    return None


def _stated(text: str, known: _Choices) -> Letters:
    """The last statement that names a letter, unless a later verdict rejects that letter."""
    named, rejected = Letters(), Letters()
    for found in sorted([*_STATEMENT.finditer(text), *_VERDICT.finditer(text)], key=re.Match.start):
        if found.re is _STATEMENT:
            letters = known.named(next((part for part in found.groups() if part is not None), ""))
        else:
            letters = Letters(found[1]) & known.phrases.keys()
        if _denied(text, found) or (found.re is _VERDICT and found[2] is not None):
            rejected |= letters
        elif letters:
            named, rejected = letters, Letters()
    return named - rejected


def _denied(text: str, statement: re.Match[str]) -> bool:
    """True if the words before a statement deny it."""
    return _DENIED.search(text[max(0, statement.start() - 60) : statement.start()]) is not None


def _alone(text: str, known: _Choices) -> Letters:
    """A reply that is a letter, or one whose first or last line begins with a letter as a label."""
    whole = _ONE_LETTER.fullmatch(text)
    if whole is not None:
        return Letters(whole[1].upper()) & known.phrases.keys()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    letters = Letters()
    for line in {*lines[:1], *lines[-1:]}:
        label = re.match(r"\W{0,4}([A-Z])[).:](?=\s|$)|\W{0,4}\(([a-z])\)", line)
        if label is not None:
            letters |= known.leading(line.lstrip(" ([*_\"'"))
            letters |= known.mentioned(line[label.end() :])
    return letters


def _guessed(text: str, known: _Choices) -> Letters:
    """The last "it is ..." that names a choice."""
    guesses = [known.named(f[1]) for f in _GUESS.finditer(text) if not _denied(text, f)]
    return next((letters for letters in reversed(guesses) if letters), Letters())


def _mentioned(text: str, known: _Choices) -> Letters:
    """The letters in parentheses, those after `option`, and the choices whose text occurs."""
    letters = {found[1] or found[2] for found in _MENTION.finditer(text)}
    affirmed = [
        x for x in letters if _affirmed(re.compile(rf"\({x}\)|(?i:option|choice) {x}\b"), text)
    ]
    return (Letters(affirmed) & known.phrases.keys()) | known.mentioned(text)
