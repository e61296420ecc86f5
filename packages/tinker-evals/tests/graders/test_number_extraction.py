"""A number counts where the reply has it as its answer, and in the form that was asked for."""

import pytest

from tinker_evals.graders.number_extraction import (
    number_after_hashes,
    shown_number,
    stated_number,
    whole_number,
)

HASHES = [
    ("#### 18", "18"),
    ("#### $18.00", "$18.00"),
    ("#### 18 dollars", "18"),
    ("#### 1/2", "1/2"),
    ("#### 1.8e1", "1.8e1"),
    ("#### 70k", "70k"),
    ("#### 25%", "25%"),
    ("#### \u22124", "\u22124"),
    ("#### 17\nI forgot one.\n#### 18", "18"),
    ("#### 18\n\nQuestion: 5 + 5?\n#### 10", "18"),
    ("#### 18-19", None),
    ("#### 18 or 19", None),
    ("#### 18 and 19", None),
    ("#### 18 000", None),
    ("#### 12:30", None),
    ("#### 1,8", None),
    ("#### (1, 2)", None),
    ("#### 9 * 2", None),
    ("#### eighteen", None),
    ("18", None),
    ("", None),
]
SHOWN = [
    # the `####` line decides, where strict finds no number on it too
    ("#### 18 (9 x 2)", "18"),
    ("#### 9 x 2 = 18", "18"),
    ("It is 18.\n#### 18-19", None),
    ("It is 18.\n#### 18 or 19", None),
    # then a statement
    ("The answer is 540 meters per week (3 x 3 x 60).", "540"),
    ("The answer is $18 per day, which is $126 per week.", "$18"),
    ("The answer is 18, not 17.", "18"),
    ("The answer is 17. No, the answer is 18.", "18"),
    ("The answer is 20. Wait, I forgot two: it is 18.", "18"),
    ("The answer is 20. Actually, 9 * 2 = 18", "18"),
    ("Answer: 18. To check: 9 * 2 = 18, and 18 - 9 = 9.", "18"),
    (r"The answer is $\boxed{18}$ dollars.", "18"),
    ("The answer is 20 or 25.", None),
    ("The answer is between 15 and 20.", None),
    ("The answer is about 20.", None),
    ("The answer is not 20.", None),
    ("The answer isn't 20.", None),
    ("The answer is eighteen, since 9 * 2 = 18", "18"),
    # then a box, then the last number
    (r"So \boxed{18}. Check: $18 - 9 = 9$.", "18"),
    ("She makes 18 dollars (9 x 2).", "18"),
    ("He runs 540 meters, since he does 3 sprints of 60 meters.", "540"),
    ("She has 18 dollars.\n\nNote: with 10% tax it would be 19.8.", "18"),
    ("The total is 15 + 5.", None),
    ("It leaves at 12:30.", None),
    ("It costs 1 200", None),
    ("pages 12-15", "15"),
    ("\u7b54\u6848\u662f18\u3002", "18"),
    ("I do not know.", None),
    ("", None),
]


@pytest.mark.parametrize(("text", "number"), HASHES)
def test_the_last_line_with_hashes_has_one_number(text: str, number: str | None) -> None:
    assert number_after_hashes(text) == number


@pytest.mark.parametrize(("text", "number"), SHOWN)
def test_the_number_that_is_shown_is_the_one_that_a_reader_takes(
    text: str, number: str | None
) -> None:
    assert shown_number(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Answer: 18", "18"),
        ("the answer is 1,200.", "1,200"),
        ("Answer: about 18", None),
        ("Answer: 18 dollars", None),
        ("18", None),
    ],
)
def test_a_stated_number_stands_alone(text: str, number: str | None) -> None:
    assert stated_number(text) == number


def test_a_whole_number_is_all_of_the_reply() -> None:
    assert whole_number(" 18\n") == "18"
    assert whole_number("It is 18") is None
