"""Truth tables for IFEval's instructions, by hand: replies that follow, and near misses."""

import asyncio
import re
from random import Random

import pytest

from tinker_core import DataError
from tinker_evals.dataset.item import Item
from tinker_evals.graders.ifeval import InstructionGrader
from tinker_evals.graders.ifeval_instructions import INSTRUCTIONS, follows

ENGLISH = "The weather was fine and all of the children went to play in the garden."
GERMAN = "Das Wetter war schön und alle Kinder gingen zum Spielen in den Garten."

TABLE = [
    ("keywords:existence", {"keywords": ["cat", "dog"]}, ["A Cat, a dog"], ["a cat"]),
    (
        "keywords:frequency",
        {"keyword": "cat", "frequency": 2, "relation": "at least"},
        ["cat Cat", "cat, cat and cat"],
        ["cat", "dog"],
    ),
    (
        "keywords:frequency",
        {"keyword": "cat", "frequency": 2, "relation": "less than"},
        ["cat", "dog"],
        ["cat cat"],
    ),
    ("keywords:forbidden_words", {"forbidden_words": ["cat"]}, ["concatenate"], ["a CAT!"]),
    (
        "keywords:letter_frequency",
        {"letter": "e", "let_frequency": 3, "let_relation": "at least"},
        ["eeE"],
        ["ee"],
    ),
    (
        "keywords:letter_frequency",
        {"letter": "#", "let_frequency": 2, "let_relation": "less than"},
        ["#"],
        ["# #"],
    ),
    ("language:response_language", {"language": "de"}, [GERMAN], [ENGLISH]),
    (
        "length_constraints:number_sentences",
        {"num_sentences": 2, "relation": "at least"},
        ["Dr. Smith came. He left."],
        ["Dr. Smith came home."],
    ),
    (
        "length_constraints:number_paragraphs",
        {"num_paragraphs": 2},
        ["One.\n***\nTwo.", "***\nOne.\n***\nTwo."],
        ["One.\n\nTwo.", "One.\n***\n***\nTwo."],
    ),
    (
        "length_constraints:number_words",
        {"num_words": 3, "relation": "less than"},
        ["two words."],
        ["now three words"],
    ),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "weather"},
        ["One.\n\nWeather, they say", 'One.\n\n"weather" it is'],
        ["One.\n\nWeathered", "Weather\n\nTwo", "One.\n\nWeather\n\nThree"],
    ),
    (
        "detectable_content:number_placeholders",
        {"num_placeholders": 2},
        ["[name] at [address]"],
        ["[name]"],
    ),
    (
        "detectable_content:postscript",
        {"postscript_marker": "P.S."},
        ["Bye.\nP.S. One more", "bye p. s. more"],
        ["Bye.", "Bye PS"],
    ),
    (
        "detectable_content:postscript",
        {"postscript_marker": "P.P.S"},
        ["Bye.\nP.P.S One more"],
        ["Bye.\nP.S. One more"],
    ),
    (
        "detectable_format:number_bullet_lists",
        {"num_bullets": 2},
        ["* one\n* two", "- one\n* two"],
        ["* one", "* one\n* two\n* three", "** one\n** two"],
    ),
    (
        "detectable_format:constrained_response",
        {},
        ["My answer is no."],
        ["My answer is no", "my answer is no."],
    ),
    (
        "detectable_format:number_highlighted_sections",
        {"num_highlights": 2},
        ["*a* and *b*", "*a* and **b**"],
        ["*a*", "* * and *a*"],
    ),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "SECTION", "num_sections": 2},
        ["SECTION 1\na\nSECTION 2\nb"],
        ["SECTION 1\na", "Section 1\na\nSection 2\nb"],
    ),
    (
        "detectable_format:json_format",
        {},
        ['{"a": 1}', '```json\n{"a": 1}\n```'],
        ["{a: 1}", 'Here: {"a": 1}'],
    ),
    ("detectable_format:title", {}, ["<<A song>>\nla"], ["<A song>", "<< >>"]),
    (
        "combination:two_responses",
        {},
        ["One******Two"],
        ["One", "One******One", "One******Two******Three", "One************Two"],
    ),
    (
        "combination:repeat_prompt",
        {"prompt_to_repeat": "Say hello."},
        ["say hello. Hello!"],
        ["Hello! Say hello."],
    ),
    (
        "startend:end_checker",
        {"end_phrase": "Any questions?"},
        ["So. any questions?", '"So. Any questions?"'],
        ["Any questions? No."],
    ),
    ("startend:quotation", {}, ['"All of it."'], ['"All of it.', '"']),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 2, "capital_relation": "at least"},
        ["NASA and ESA.", "I am A"],
        ["NASA and Esa"],
    ),
    ("change_case:english_capital", {}, [ENGLISH.upper()], [ENGLISH, GERMAN.upper()]),
    ("change_case:english_lowercase", {}, [ENGLISH.lower()], [ENGLISH, GERMAN.lower()]),
    ("punctuation:no_comma", {}, ["a and b"], ["a, b"]),
]


@pytest.mark.parametrize(
    ("instruction", "arguments", "reply", "expected"),
    [
        (name, arguments, reply, expected)
        for name, arguments, good, bad in TABLE
        for expected, replies in ((True, good), (False, bad))
        for reply in replies
    ],
)
def test_a_reply_follows(
    instruction: str, arguments: dict[str, object], reply: str, expected: bool
) -> None:
    assert follows(reply, instruction, arguments) is expected


def test_every_instruction_has_its_table() -> None:
    assert {name for name, *_ in TABLE} == set(INSTRUCTIONS)


def test_brackets_and_titles_are_those_of_the_authors_patterns() -> None:
    """Their patterns take quadratic time on a line of opening brackets; ours are held to them."""
    random = Random(0)
    for _ in range(3000):
        reply = "".join(random.choices("[]<>a \n", k=random.randint(1, 12)))
        placeholders = len(re.findall(r"\[.*?\]", reply))
        titles = re.findall(r"<<[^\n]+>>", reply)
        assert follows(f"{reply}.", "detectable_format:title", {}) is any(
            title.lstrip("<").rstrip(">").strip() for title in titles
        )
        name = "detectable_content:number_placeholders"
        assert follows(f"{reply}.", name, {"num_placeholders": placeholders})
        assert not follows(f"{reply}.", name, {"num_placeholders": placeholders + 1})


def test_silence_follows_nothing() -> None:
    assert not follows("  \n", "punctuation:no_comma", {})


def test_absent_arguments_may_stand_in_the_data_as_none() -> None:
    assert follows("a b", "punctuation:no_comma", {"num_words": None, "language": None})


@pytest.mark.parametrize(
    ("instruction", "arguments"),
    [
        ("punctuation:no_colon", {}),
        ("punctuation:no_comma", {"num_words": 3}),
        ("length_constraints:number_words", {"num_words": 3, "relation": "about"}),
    ],
)
def test_what_is_no_instruction_is_refused(instruction: str, arguments: dict[str, object]) -> None:
    with pytest.raises(DataError):
        follows("a", instruction, arguments)


def scores(reply: str) -> dict[str, float]:
    target = {
        "instruction_id_list": ["punctuation:no_comma", "startend:end_checker"],
        "kwargs": [{}, {"end_phrase": "Bye."}],
    }
    item = Item(id="1", prompt="", target=target)
    return dict(asyncio.run(InstructionGrader().grade(reply, item)).scores)


def test_a_prompt_counts_when_all_its_instructions_are_followed() -> None:
    assert set(scores("Well. Bye.").values()) == {1.0}
    half = scores("Well, bye.")
    assert (half["prompt_strict"], half["instruction_strict"]) == (0.0, 0.5)


def test_loose_forgives_a_first_line_a_last_line_and_asterisks() -> None:
    for reply in ("Sure, here it is:\nWell. Bye.", "Well. Bye.\nHope, it helps", "Well. **Bye.**"):
        assert scores(reply)["prompt_strict"] == 0.0
        assert scores(reply)["prompt_loose"] == 1.0
    assert scores("One\nWell, so\nBye.\nTwo")["prompt_loose"] == 0.0
