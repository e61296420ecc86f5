"""A program is right only when all its tests pass."""

import asyncio

import pytest

from tinker_evals.dataset.item import Item
from tinker_evals.graders.code import CodeGrader, assemble
from tinker_evals.graders.grade import Grade
from tinker_evals.sandbox.backend import Limits
from tinker_evals.sandbox.sandbox import Sandbox

QUICK = Sandbox(limits=Limits(seconds=5.0, memory_mb=512))

TARGET = {"tests": "assert double(2) == 4\nassert double(-1) == -2"}

RIGHT = "def double(x):\n    return 2 * x\n"


def grade(reply: str, target: dict[str, str] = TARGET) -> Grade:
    item = Item(id="1", prompt="", target=target)
    return asyncio.run(CodeGrader(sandbox=QUICK).grade(reply, item))


@pytest.mark.parametrize(
    ("reply", "strict", "lenient"),
    [
        (f"Here:\n```python\n{RIGHT}```\nDone.", 1, 1),
        (f"```\n{RIGHT}```", 1, 1),
        (f"```python\n{RIGHT}", 1, 1),  # a block that is never closed
        (f"```python\n{RIGHT}```\nUse it:\n```python\ndouble(1)\n```", 1, 1),
        (RIGHT, 0, 1),
        ("```python\ndef double(x):\n    return x + x + 1\n```", 0, 0),
        ("```python\ndef double(x):\n    return x ** 2\n```", 0, 0),  # passes the first test alone
        ("```python\ndef double(x:\n```", 0, 0),
        (f"```python\n{RIGHT}\nexit(0)\n```", 0, 0),
        (f"```python\n{RIGHT}\nimport os; os._exit(0)\n```", 0, 0),
        ("```python\nraise SystemExit\n```", 0, 0),
        ("I do not know", 0, 0),
        ("", 0, 0),
    ],
)
def test_code_is_right_when_all_its_tests_pass(reply: str, strict: int, lenient: int) -> None:
    scores = grade(reply).scores
    assert (scores["strict"], scores["lenient"]) == (strict, lenient)


def test_a_reply_without_code_has_no_answer() -> None:
    assert not grade("  ").answered


def test_a_failed_test_says_what_failed() -> None:
    assert "AssertionError" in grade("```python\ndef double(x):\n    return 0\n```").comment


HUMAN_EVAL = {
    "preamble": "from typing import List\n\ndef total(xs: List[int]) -> int:\n    '''Sum.'''\n",
    "entry_point": "total",
    "tests": "assert total([1, 2]) == 3",
}


@pytest.mark.parametrize(
    ("reply", "passes"),
    [
        ("    return sum(xs)\n", True),
        ("```python\ndef total(xs: List[int]) -> int:\n    return sum(xs)\n```", True),
        ("    return 0\n", False),
    ],
)
def test_a_function_may_be_completed_or_written_again(reply: str, passes: bool) -> None:
    assert bool(grade(reply, HUMAN_EVAL).scores["lenient"]) is passes


def test_a_function_that_is_written_again_keeps_the_imports_it_was_given() -> None:
    assert assemble("def total(xs): ...", HUMAN_EVAL).startswith("from typing import List\ndef")
