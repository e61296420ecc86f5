"""Truth tables, written by hand: what each grader makes of right, wrong and odd replies."""

import asyncio
import re

import pytest

from tinker_evals import graders
from tinker_evals.dataset.item import Item
from tinker_evals.graders.answer_match import same_text
from tinker_evals.graders.grade import Grade
from tinker_evals.graders.math_match import same_math
from tinker_evals.graders.text_grader import TextGrader


def verdict(grader: TextGrader, reply: str, item: Item) -> tuple[float, float]:
    grade = asyncio.run(grader.grade(reply, item))
    return grade.scores["strict"], grade.scores["lenient"]


@pytest.mark.parametrize(
    ("reply", "strict", "lenient"),
    [
        ("Paris", 1, 1),
        ("  Paris\n", 1, 1),
        ("paris.", 0, 1),
        ("The answer is Paris.", 0, 1),
        ("It is in France.\nThe Paris", 0, 1),
        ("Parisian", 0, 0),
        ("Paris or London", 0, 0),
        ("The answer is London, not Paris", 0, 0),
        ("?!", 0, 0),
        ("", 0, 0),
    ],
)
def test_exact(reply: str, strict: int, lenient: int) -> None:
    assert verdict(graders.exact, reply, Item(id="1", prompt="", target="Paris")) == (
        strict,
        lenient,
    )


@pytest.mark.parametrize(
    ("reply", "strict", "lenient"),
    [
        ("It is warm.\nAnswer: C", 1, 1),
        ("answer: (c)", 1, 1),
        ("**Answer: C**", 1, 1),
        ("**Answer:** C.", 1, 1),
        ("The final answer: C", 1, 1),
        ("Answer: A\nNo, wait.\nAnswer: C", 1, 1),
        ("Answer: B", 0, 0),
        ("Answer: C\nNo, wait.\nAnswer: A", 0, 0),
        ("The answer is (C).", 0, 1),
        ("the correct answer is C because of heat", 0, 1),
        (r"So \boxed{C}", 0, 1),
        (r"So $\boxed{\text{C}}$", 0, 1),
        ("C", 0, 1),
        ("(C) a stove", 0, 1),
        ("C. a stove", 0, 1),
        ("C) a stove", 0, 1),
        ("A stove", 0, 1),  # the text of choice C, not the letter A
        ("I would choose option C", 0, 1),
        ("A", 0, 0),
        ("A dog is an animal", 0, 0),  # an article is no letter
        ("I think it is a cat or a dog", 0, 0),
        ("Can't say", 0, 0),  # C is the letter of no choice here
        ("D", 0, 0),  # there are three choices
        ("Answer: D", 0, 0),
        ("Answer: Cats are best", 0, 0),
        ("", 0, 0),
    ],
)
def test_choice(reply: str, strict: int, lenient: int) -> None:
    item = Item(id="1", prompt="", target="C", choices=("a dog", "a cat", "a stove"))
    assert verdict(graders.choice, reply, item) == (strict, lenient)


@pytest.mark.parametrize("reply", ["", "I cannot say.", "None of these", "Both could be right"])
def test_no_choice_is_never_taken_for_the_first(reply: str) -> None:
    item = Item(id="1", prompt="", target="A", choices=("a dog", "a cat"))
    grade = asyncio.run(graders.choice.grade(reply, item))
    assert (grade.scores["lenient"], grade.answers["lenient"], grade.answered) == (0, None, False)


@pytest.mark.parametrize(
    ("reply", "strict", "lenient"),
    [
        ("9 * 2 = 18\n#### 18", 1, 1),
        ("#### 18.00", 1, 1),
        ("#### $18", 1, 1),
        ("#### 18 dollars", 1, 1),
        ("#### 18\n\nQuestion: 5 + 5?\n#### 10", 1, 1),  # a base model goes on
        ("She makes $18.", 0, 1),
        ("She makes 18 dollars every day", 0, 1),
        ("18 eggs, 2 left", 0, 0),
        ("#### 17", 0, 0),
        ("#### 1,8", 0, 0),
        ("#### -18", 0, 0),
        ("#### eighteen", 0, 0),
        ("eighteen", 0, 0),
        ("", 0, 0),
    ],
)
def test_hashes(reply: str, strict: int, lenient: int) -> None:
    assert verdict(graders.hashes, reply, Item(id="1", prompt="", target="18")) == (strict, lenient)


@pytest.mark.parametrize(
    ("reply", "strict", "lenient"),
    [
        ("Answer: 1200", 1, 1),
        ("answer: 1,200.", 1, 1),
        ("The answer is $1,200.00", 1, 1),
        ("**Answer:** 1200", 1, 1),
        ("The answer is 1.2e3", 1, 1),
        ("Answer: about 1200", 0, 0),  # strict finds an answer, and it is no number
        ("It costs 1,200", 0, 1),
        ("It costs 1 200", 0, 0),
        ("from 1100-1200", 0, 1),
        ("Answer: 1201", 0, 0),
        ("Answer: -1200", 0, 0),
    ],
)
def test_numeric(reply: str, strict: int, lenient: int) -> None:
    item = Item(id="1", prompt="", target=1200)
    assert verdict(graders.numeric, reply, item) == (strict, lenient)


@pytest.mark.parametrize(
    ("answer", "target", "same"),
    [
        (r"\frac{1}{2}", "0.5", True),
        (r"\frac12", r"\dfrac{1}{2}", True),
        ("0.333", r"\frac{1}{3}", False),
        (r"(3, \pi/2)", r"\left( 3, \frac{\pi}{2} \right)", True),
        (r"(\pi/2, 3)", r"\left( 3, \frac{\pi}{2} \right)", False),
        ("x=5", "5", True),
        ("5", "x=5", True),
        ("x^2+2x+1", "(x+1)^2", True),
        ("x^2+2x", "(x+1)^2", False),
        (r"2\sqrt{3}", r"\sqrt{12}", True),
        (r"\sqrt{3}", r"\sqrt{12}", False),
        ("6 - 5i", "6-5i", True),
        ("6+5i", "6-5i", False),
        (r"[2,5)", r"[2,5)", True),
        (r"(2,5)", r"[2,5)", False),
        (r"\{1, 2\}", r"\{2, 1\}", True),
        (r"10\%", "10", True),
        (r"90^\circ", "90", True),
        (r"\text{Evelyn}", r"\text{Evelyn}", True),
        ("Evelyn", r"\text{Evelyn}", True),
        (r"\text{Angela}", r"\text{Evelyn}", False),
        ("10,080", r"10{,}080", True),
        (r"11,\! 111", "11111", True),
        ("-1", "1", False),
        ("", "1", False),
        ("9" * 2000, "1", False),
    ],
)
def test_math_is_the_same_where_it_means_the_same(answer: str, target: str, same: bool) -> None:
    assert same_math(answer, target) is same


@pytest.mark.parametrize(
    ("reply", "strict", "lenient"),
    [
        (r"Thus $\boxed{\frac{1}{2}}$.", 1, 1),
        (r"\boxed{1/3}? No: \boxed{0.5}", 1, 1),
        (r"\boxed{\frac{1}{2}", 0, 0),  # cut off within the box: not an answer
        (r"\boxed{2}", 0, 0),
        ("The answer is 1/2.", 0, 1),
        ("So we get\n$0.5$", 0, 1),
        ("I do not know", 0, 0),
    ],
)
def test_boxed(reply: str, strict: int, lenient: int) -> None:
    item = Item(id="1", prompt="", target=r"\frac{1}{2}")
    assert verdict(graders.boxed, reply, item) == (strict, lenient)


def test_braces_within_a_box_belong_to_it() -> None:
    reply = r"\boxed{\left\{ x : x^{2} < 4 \right\}}"
    item = Item(id="1", prompt="", target=r"\left\{ x : x^{2} < 4 \right\}")
    assert verdict(graders.boxed, reply, item) == (1, 1)


@pytest.mark.parametrize(
    ("reply", "strict", "lenient"),
    [
        ("thinking\nlabel=spam", 1, 1),
        ("LABEL=spam", 1, 1),
        ("label=ham\nlabel=spam", 1, 1),
        ("it is label=spam, surely", 0, 1),
        ("label=ham", 0, 0),
        ("spam", 0, 0),
    ],
)
def test_pattern(reply: str, strict: int, lenient: int) -> None:
    grader = graders.pattern("label", r"label=(\w+)", flags=re.IGNORECASE)
    assert verdict(grader, reply, Item(id="1", prompt="", target="spam")) == (strict, lenient)


def test_same_text_ignores_articles_but_no_words() -> None:
    assert same_text("The Eiffel Tower!", "eiffel tower")
    assert not same_text("Eiffel", "eiffel tower")


def test_a_score_outside_zero_and_one_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Grade(scores={"strict": 2.0})


@pytest.mark.parametrize(
    ("reply", "strict", "lenient"),
    [
        ("Answer: } ] )", 1, 1),
        ("Answer: ) ] }", 0, 0),  # signs count where there are no words
        ("} ] )", 0, 1),
        ("] }", 0, 0),
    ],
)
def test_stated_brackets(reply: str, strict: int, lenient: int) -> None:
    assert verdict(graders.stated, reply, Item(id="1", prompt="", target="} ] )")) == (
        strict,
        lenient,
    )


@pytest.mark.parametrize(
    ("reply", "strict", "lenient"),
    [
        ("So.\nAnswer: (B)", 1, 1),
        ("the answer is b.", 1, 1),
        ("(B)", 0, 1),
        ("Answer: (C)", 0, 0),
        ("(A) or (B)", 0, 0),
    ],
)
def test_stated_options(reply: str, strict: int, lenient: int) -> None:
    assert verdict(graders.stated, reply, Item(id="1", prompt="", target="(B)")) == (
        strict,
        lenient,
    )


@pytest.mark.parametrize(
    ("reply", "strict", "lenient"),
    [("7", 1, 1), (" 7.0\n", 1, 1), ("It is 7", 0, 1), ("8", 0, 0), ("7 8", 0, 0), ("", 0, 0)],
)
def test_number_alone(reply: str, strict: int, lenient: int) -> None:
    item = Item(id="1", prompt="", target="7")
    assert verdict(graders.number_alone, reply, item) == (strict, lenient)
