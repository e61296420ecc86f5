"""The last box, the last `####` and the last statement count, up to a question that is made up."""

import pytest

from tinker_evals.graders.answer_extraction import (
    after_answer,
    after_hashes,
    code_block,
    first_answer,
    last_boxed,
    last_line,
    last_math,
    stated_answer,
)


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (r"\boxed{4}", "4"),
        (r"\boxed{ 4 }", "4"),
        (r"\boxed 4", "4"),
        (r"\fbox{4}", "4"),
        (r"\boxed{3} No: \boxed{4}", "4"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{\left\{ x : x^{2} < 4 \right\}}", r"\left\{ x : x^{2} < 4 \right\}"),
        (r"\boxed{}", ""),
        (r"\boxed{4", None),  # cut off within the box
        (r"\boxed{3} No: \boxed{4", "4"),
        ("\\boxed{3} No: \\boxed{4\nand so on", "4"),
        (r"\boxed", None),
        ("no box", None),
        ("", None),
    ],
)
def test_the_last_box_counts(text: str, content: str | None) -> None:
    assert last_boxed(text) == content


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("#### 18", "18"),
        ("####18", "18"),
        ("#### 17\nNo.\n#### 18", "18"),
        ("####", ""),
        ("", None),
    ],
)
def test_the_last_hashes_count(text: str, rest: str | None) -> None:
    assert after_hashes(text) == rest


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        ("The answer is Paris.", "Paris"),
        ("Answer: Paris", "Paris"),
        ("**Answer:** Paris", "Paris"),
        ("Answer = 4", "4"),
        ("the answer is: 4", "4"),
        ("Answer:\n4", "4"),
        ("Ans. 4", None),
        ("Ans: 4", "4"),
        ('{"answer": 4}', "4}"),
        ("<answer>4</answer>", "4"),
        ("The answer is 3. No, the answer is 4.", "4"),
        (
            "Final Answer: The final answer is $4$. I hope it is correct.",
            "$4$. I hope it is correct",
        ),
        ("The answer to the question is 4.", "4"),
        ("The answer should be 4.", "4"),
        ("The answer isn't 4.", "n't 4"),
        ("I do not know the answer. It is hard.", None),
        ("La r\u00e9ponse est 4.", "4"),
        ("Die Antwort lautet 4.", "4"),
        ("La respuesta correcta es 4.", "4"),
        ("\u7b54\u6848\u662f4\u3002", "4\u3002"),
        ("\u7b54\u6848\uff1a4", None),
        ("I say 4", None),
        ("", None),
    ],
)
def test_the_last_statement_counts(text: str, statement: str | None) -> None:
    assert stated_answer(text) == statement


def test_a_question_that_is_made_up_after_the_answer_is_left_out() -> None:
    further = "\n\nQuestion: What is 5 + 5?\nAnswer: 10"
    for answer in ("#### 18", r"\boxed{18}", "The answer is 18."):
        assert first_answer(answer + further) == answer
    assert first_answer("Let me see." + further) == "Let me see." + further
    assert first_answer("Question: What is 9 * 2?\nAnswer: 18").endswith("18")


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ("$4$", "4"),
        (r"\[4\]", "4"),
        (r"\(4\)", "4"),
        ("$$4$$", "4"),
        ("first $3$, then $4$", "4"),
        ("\\[\nx = 4\n\\]", "x = 4"),
        ("it costs $4", None),
        (r"\[4", None),
    ],
)
def test_the_last_formula_is_found(text: str, formula: str | None) -> None:
    assert last_math(text) == formula


def test_the_last_line_is_one_with_text() -> None:
    assert last_line("one\ntwo\n\n  ") == "two"
    assert last_line(" \n") is None


def test_what_follows_a_line_of_answer_may_have_several_lines() -> None:
    assert after_answer("So.\nAnswer:\n1 2\n3 4\n") == "1 2\n3 4"
    assert after_answer("1 2") is None
    assert after_answer("") is None


def test_the_longest_block_of_code_counts() -> None:
    assert code_block("```\na\n```\n```python\nlonger\n```") == "longer"
    assert code_block("```python\nnever closed") == "never closed"
    assert code_block("none") is None
