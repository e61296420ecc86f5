"""No reply keeps a grader busy: 20,000 characters of anything are graded in one pass.

A pattern that backtracks takes minutes here, and pytest's fault handler ends the run.
"""

import asyncio
import inspect

import pytest

from tinker_core import Message
from tinker_core.process_pool import ProcessPool
from tinker_evals import Item, graders
from tinker_evals.graders import text_graders
from tinker_evals.graders.ifeval_instructions import INSTRUCTIONS, follows
from tinker_evals.graders.judge import read_score, read_verdict
from tinker_evals.graders.tool_calls import CallGrader

UNITS = [
    *(
        "\\boxed{",
        "\\frac{",
        "\\[",
        "\\(",
        "$",
        "{",
        "(",
        "[",
        "[1, ",
        '{"a":',
        '"',
        "<<",
        "<answer>",
    ),
    *("#### ", "####", "answer is ", "answer    ", "Answer: A\n", "it is ", "so A\n", "option A "),
    *(
        "A) ",
        "A is ",
        "not A or B ",
        "Rome or ",
        "Question: \nAnswer: 1\n",
        "```\n",
        "*",
        "-",
        "- ",
    ),
    *(" ", "\n", "0,", "1 ", "1/", "score: ", "verdict: "),
]
ARGUMENTS = {
    **{"keywords": ["cat"], "keyword": "cat", "forbidden_words": ["cat"], "letter": "a"},
    **{"frequency": 2, "relation": "at least", "let_frequency": 2, "let_relation": "at least"},
    **{"num_sentences": 2, "num_words": 3, "num_paragraphs": 2, "nth_paragraph": 1},
    **{"num_placeholders": 2, "num_bullets": 2, "num_highlights": 2, "num_sections": 2},
    **{"first_word": "a", "section_spliter": "SECTION", "postscript_marker": "P.S."},
    **{"prompt_to_repeat": "Hi", "end_phrase": "Bye", "language": "en"},
    **{"capital_frequency": 2, "capital_relation": "at least"},
}
CHOICE = Item(id="1", prompt="", target="C", choices=("London", "Paris", "Rome", "Berlin"))
CALL = Item(id="1", prompt="", target={"calls": [{"f": {"a": [1]}}], "any": False})


def text_of(unit: str) -> str:
    return unit * (20_000 // len(unit))


@pytest.mark.parametrize("unit", UNITS)
def test_text_graders_finish(unit: str) -> None:
    async def grade_all() -> None:
        for name in ("exact", "stated", "hashes", "number_alone", "numeric", "boxed", "choice"):
            await getattr(graders, name).grade(text_of(unit), CHOICE)

    asyncio.run(grade_all())


@pytest.mark.parametrize("unit", UNITS)
def test_the_grader_of_calls_finishes(unit: str) -> None:
    message = Message(role="assistant", content=text_of(unit))
    grade = asyncio.run(CallGrader().grade_message(message, CALL))
    assert set(grade.scores.values()) == {0.0}


@pytest.mark.parametrize("unit", UNITS)
def test_instructions_and_judgements_finish(unit: str) -> None:
    text = text_of(unit)
    read_score(text, 10)
    read_verdict(text)
    for name, predicate in INSTRUCTIONS.items():
        if "language" not in name and "english" not in name:  # langdetect samples a text
            parameters = inspect.signature(predicate).parameters
            follows(text, name, {key: ARGUMENTS[key] for key in parameters if key in ARGUMENTS})


def test_a_pattern_of_the_users_own_that_backtracks_finds_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quick = ProcessPool(text_graders._pattern_pool().function, seconds=0.5, size=1)
    monkeypatch.setattr(text_graders, "_pattern_pool", lambda: quick)
    grader = graders.pattern("evil", r"(a+)+b")
    reply = "a" * 200
    grade = asyncio.run(grader.grade(reply, Item(id="1", prompt="", target="b")))
    assert grade.answers == {"strict": None, "lenient": None}
    grade = asyncio.run(grader.grade("aab", Item(id="1", prompt="", target="aa")))
    assert grade.scores == {"strict": 1.0, "lenient": 1.0}
    quick.close()
