"""The 25 verifiable instructions of IFEval (Zhou et al. 2023, arXiv:2311.07911), each a predicate.

The predicates agree with the authors' checker, oddities included, so that scores can be compared;
`integration/test_agreement.py` checks that. The code is our own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from tinker_core import DataError
from tinker_evals.optional_packages import import_extra

_ENDS_OF_FIRST_WORD = re.compile(r"[.,?!'\"]")
_FENCES = ("```json", "```Json", "```JSON", "```")
_YES_NO_MAYBE = ("My answer is yes.", "My answer is no.", "My answer is maybe.")


def follows(reply: str, instruction: str, arguments: Mapping[str, Any]) -> bool:
    """True if the reply follows an instruction. An empty reply follows no instruction.

    Raises DataError for an unknown instruction and for arguments that it does not take.
    """
    if instruction not in INSTRUCTIONS:
        raise DataError(f"unknown instruction {instruction!r}; known: {sorted(INSTRUCTIONS)}")
    if not reply.strip():
        return False
    given = {name: value for name, value in arguments.items() if value is not None}
    try:
        return INSTRUCTIONS[instruction](reply, **given)
    except TypeError as error:
        raise DataError(f"{error}", field=f"kwargs of {instruction}") from error


def _compare(count: int, relation: str, bound: int) -> bool:
    if relation not in ("less than", "at least"):
        raise DataError(f"relation must be 'less than' or 'at least', not {relation!r}")
    return count < bound if relation == "less than" else count >= bound


def _existence(reply: str, *, keywords: list[str]) -> bool:
    return all(re.search(word, reply, re.IGNORECASE) for word in keywords)


def _frequency(reply: str, *, keyword: str, frequency: int, relation: str) -> bool:
    return _compare(len(re.findall(keyword.strip(), reply, re.IGNORECASE)), relation, frequency)


def _forbidden_words(reply: str, *, forbidden_words: list[str]) -> bool:
    return not any(re.search(rf"\b{word}\b", reply, re.IGNORECASE) for word in forbidden_words)


def _letter_frequency(reply: str, *, letter: str, let_frequency: int, let_relation: str) -> bool:
    return _compare(reply.lower().count(letter.strip().lower()), let_relation, let_frequency)


def _response_language(reply: str, *, language: str) -> bool:
    return _language(reply) in (language, None)


def _number_sentences(reply: str, *, num_sentences: int, relation: str) -> bool:
    return _compare(_count_sentences(reply), relation, num_sentences)


def _number_words(reply: str, *, num_words: int, relation: str) -> bool:
    return _compare(len(re.findall(r"\w+", reply)), relation, num_words)


def _number_paragraphs(reply: str, *, num_paragraphs: int) -> bool:
    parts = [part.strip() for part in re.split(r"\s?\*\*\*\s?", reply)]
    inner_blank = any(not part for part in parts[1:-1])
    return not inner_blank and sum(map(bool, parts)) == num_paragraphs


def _nth_paragraph(reply: str, *, num_paragraphs: int, nth_paragraph: int, first_word: str) -> bool:
    parts = re.split(r"\n\n", reply)
    if (
        sum(bool(part.strip()) for part in parts) != num_paragraphs
        or nth_paragraph > num_paragraphs
    ):
        return False
    words = parts[nth_paragraph - 1].split()
    first = _ENDS_OF_FIRST_WORD.split(words[0].lstrip("'").lstrip('"'))[0] if words else ""
    return first.lower() == first_word.lower()


def _number_placeholders(reply: str, *, num_placeholders: int) -> bool:
    return sum(_count_brackets(line) for line in reply.split("\n")) >= num_placeholders


def _count_brackets(line: str) -> int:
    """The matches of `\\[.*?\\]`, which takes quadratic time on a line of opening brackets."""
    count = end = 0
    while (start := line.find("[", end)) >= 0 and (end := line.find("]", start) + 1) > 0:
        count += 1
    return count


def _postscript(reply: str, *, postscript_marker: str) -> bool:
    known = {"P.P.S": r"\s*p\.\s?p\.\s?s", "P.S.": r"\s*p\.\s?s\."}
    marker = known.get(postscript_marker.strip(), r"\s*" + postscript_marker.strip().lower())
    return re.search(marker, reply.lower()) is not None


def _number_bullet_lists(reply: str, *, num_bullets: int) -> bool:
    stars = re.findall(r"^\s*\*[^\*].*$", reply, re.MULTILINE)
    return len(stars) + len(re.findall(r"^\s*-.*$", reply, re.MULTILINE)) == num_bullets


def _constrained_response(reply: str) -> bool:
    return any(option in reply for option in _YES_NO_MAYBE)


def _number_highlighted_sections(reply: str, *, num_highlights: int) -> bool:
    found = re.findall(r"\*[^\n\*]*\*", reply) + re.findall(r"\*\*[^\n\*]*\*\*", reply)
    return sum(bool(part.strip("*").strip()) for part in found) >= num_highlights


def _multiple_sections(reply: str, *, section_spliter: str, num_sections: int) -> bool:
    return len(re.split(rf"\s?{section_spliter.strip()}\s?\d+\s?", reply)) - 1 >= num_sections


def _json_format(reply: str) -> bool:
    text = reply.strip()
    for fence in _FENCES:
        text = text.removeprefix(fence)
    try:
        json.loads(text.removesuffix("```").strip())
    except (ValueError, RecursionError):
        return False
    return True


def _title(reply: str) -> bool:
    return any(map(_has_title, reply.split("\n")))


def _has_title(line: str) -> bool:
    """True if `<<[^\\n]+>>` matches, without its quadratic time on a line of opening brackets."""
    start, end = line.find("<<"), line.rfind(">>")
    return 0 <= start < end - 2 and bool(line[start:end].strip("<>").strip())


def _two_responses(reply: str) -> bool:
    parts = [part.strip() for part in reply.split("******")]
    responses = [part for part in parts if part]
    return all(parts[1:-1]) and len(responses) == 2 and responses[0] != responses[1]


def _repeat_prompt(reply: str, *, prompt_to_repeat: str) -> bool:
    return reply.strip().lower().startswith(prompt_to_repeat.strip().lower())


def _end_checker(reply: str, *, end_phrase: str) -> bool:
    return reply.strip().strip('"').lower().endswith(end_phrase.strip().lower())


def _capital_words(reply: str, *, capital_frequency: int, capital_relation: str) -> bool:
    capital = sum(word.isupper() for word in reply.split())
    return _compare(capital, capital_relation, capital_frequency)


def _english_capital(reply: str) -> bool:
    return reply.isupper() and _language(reply) in ("en", None)


def _english_lowercase(reply: str) -> bool:
    return reply.islower() and _language(reply) in ("en", None)


def _no_comma(reply: str) -> bool:
    return "," not in reply


def _quotation(reply: str) -> bool:
    text = reply.strip()
    return len(text) > 1 and text.startswith('"') and text.endswith('"')


def _language(text: str) -> str | None:
    """The ISO code of the text's language; None for a text without words."""
    langdetect = import_extra("langdetect", "ifeval", "IFEval")
    langdetect.DetectorFactory.seed = 0  # without a seed its guesses are random
    try:
        return str(langdetect.detect(text))
    except langdetect.LangDetectException:
        return None


def _count_sentences(text: str) -> int:
    return len(import_extra("punkt", "ifeval", "IFEval").sent_tokenize(text))


INSTRUCTIONS: Mapping[str, Callable[..., bool]] = {
    "keywords:existence": _existence,
    "keywords:frequency": _frequency,
    "keywords:forbidden_words": _forbidden_words,
    "keywords:letter_frequency": _letter_frequency,
    "language:response_language": _response_language,
    "length_constraints:number_sentences": _number_sentences,
    "length_constraints:number_paragraphs": _number_paragraphs,
    "length_constraints:number_words": _number_words,
    "length_constraints:nth_paragraph_first_word": _nth_paragraph,
    "detectable_content:number_placeholders": _number_placeholders,
    "detectable_content:postscript": _postscript,
    "detectable_format:number_bullet_lists": _number_bullet_lists,
    "detectable_format:constrained_response": _constrained_response,
    "detectable_format:number_highlighted_sections": _number_highlighted_sections,
    "detectable_format:multiple_sections": _multiple_sections,
    "detectable_format:json_format": _json_format,
    "detectable_format:title": _title,
    "combination:two_responses": _two_responses,
    "combination:repeat_prompt": _repeat_prompt,
    "startend:end_checker": _end_checker,
    "startend:quotation": _quotation,
    "change_case:capital_word_frequency": _capital_words,
    "change_case:english_capital": _english_capital,
    "change_case:english_lowercase": _english_lowercase,
    "punctuation:no_comma": _no_comma,
}
"""Predicates by name. They take a reply and the arguments in the data."""
