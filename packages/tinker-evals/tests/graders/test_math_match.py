"""Expressions that mean the same are matched, and no others, whatever they look like."""

import threading

import pytest

from tinker_core.process_pool import ProcessPool
from tinker_evals.graders import math_match
from tinker_evals.graders.math_match import same_math

SAME = [
    (r"\frac12", "0.5"),
    ("1e5", "100000"),
    ("10{,}000", "10,000"),
    (r"\$5", "5"),
    ("-3", "\u22123"),
    ("033", "33"),
    (r"50\%", r"\frac{1}{2}"),
    (r"3\frac{1}{2}", "7/2"),
    (r"1-1/e", r"\frac{e-1}{e}"),
    (r"\frac{1}{2^{98}}", "2^{-98}"),
    ("1/2006!", r"\frac{1}{2006!}"),
    ("x/2^{98}", "2^{-98}x"),
    ("1011_2", "1011_{2}"),
    (r"1,2,\ldots,10", r"1, 2, \ldots, 10"),
    (r"0.\overline{3}", "1/3"),
    (r"1.\overline{6}", "5/3"),
    (r"0.1\overline{6}", "1/6"),
    ("2^{100}", "4^{50}"),
    ("10^{10}+1", "10000000001"),
    (r"\log_2 8", "3"),
    (r"\binom{10}{3}", "120"),
    ("a_1+a_2", "a_2+a_1"),
    (r"\frac{\sqrt{2}}{2}", r"\frac{1}{\sqrt{2}}"),
    (r"\sin^2 x", r"1-\cos^2 x"),
    ("y=2x+3", "2x+3"),
    ("f(x)=x^2", "x^2"),
    ("2+2=4", "4"),
    ("x=-2, x=1", "-2, 1"),
    (r"x=1 \text{ or } x=-2", "-2,1"),
    (r"5\text{ or }7", "7,5"),
    (r"x \in \{1,2\}", "1,2"),
    (r"\pm 2", "2,-2"),
    (r"\left(1,2\right)", "(1,2)"),
    (r"\{2,1\}", r"\{1,2\}"),
    ("[2,5)", "[2,5)"),
    (r"(-\infty,2)\cup(3,\infty)", r"(-\infty, 2) \cup (3, \infty)"),
    (r"x \geq 3", r"x \ge 3"),
    (r"\text{Even}", "even"),
    ("(C)", "C"),
    (r"\textbf{(C)}", r"\text{(C)}"),
    (r"4\text{ cm}", "4"),
    (r"4\ \mathrm{cm}^2", "4"),
    (r"90^\circ", "90"),
    ("2\u03c0", r"2\pi"),
    (r"\emptyset", r"\varnothing"),
    ("\u2205", r"\emptyset"),
    (r"1, 3, 5, \dots", r"1,3,5,\ldots"),
]
OTHER = [
    # values that math-verify rounds to the same six decimals
    ("1/2^{98}", "1/2^{99}"),
    ("1/2006!", "1/2004!"),
    ("1+1/e", "1-1/e"),
    ("10^{-30}", "0"),
    ("e^{-50}", "e^{-60}"),
    (r"\pi^{-40}", r"\pi^{-41}"),
    ("1+10^{-8}", "1"),
    ("1/3", "0.333333"),
    ("10^{-9}+10^{-9}i", "10^{-9}-10^{-9}i"),
    ("x/2^{98}", "x/2^{99}"),
    ("y=10^{-9}x", "y=10^{-10}x"),
    ("x=10^{-9}", "x=10^{-10}"),
    (r"\{1/2^{30},1\}", r"\{1/2^{31},1\}"),
    ("(1/2^{30},1)", "(1/2^{31},1)"),
    ("[0,10^{-9}]", "[0,10^{-10}]"),
    (r"\begin{pmatrix}10^{-9}\\1\end{pmatrix}", r"\begin{pmatrix}10^{-10}\\1\end{pmatrix}"),
    # large values
    ("10^{10}+1", "10^{10}"),
    ("2^{1000000000}", "2^{1000000001}"),
    ("10^{10^{10}}", "10^{10^{11}}"),
    ("7", "2^{1000000000}"),
    # the case of variables
    (r"2\pi r", r"2\pi R"),
    ("R^2", "r^2"),
    ("a+A", "2a"),
    # subscripts, sequences, ratios
    ("1011_2", "1011_3"),
    ("4210", "4210_5"),
    ("2", "10_2"),
    ("a_1", "a_2"),
    (r"1, 3, 5, \ldots, 99", r"1, 3, 5, \ldots, 97"),
    ("1, 2, 3, ...", "1,2,3"),
    (r"0.\overline{3}", "0"),
    (r"0.\overline{3}", "0.3"),
    ("1:2", "1/2"),
    ("2:1", "2"),
    ("12:30", "12/30"),
    # tuples, sets, intervals, lists
    ("a=1,b=2", "(1,2)"),
    ("(2,1)", "(1,2)"),
    (r"\{1,2\}", "(1,2)"),
    ("[1,2]", "(1,2)"),
    ("(2,5)", "[2,5)"),
    ("1,2", "12"),
    ("1 2", "12"),
    ("1,2,3", "123"),
    (r"5 \text{ apples and } 3 \text{ pears}", "5"),
    (r"4 \text{ or } 5", "4"),
    (r"\pm 1", "1"),
    # signs, relations, words
    ("i", "-i"),
    ("x>3", "x<3"),
    (r"x \le 3", "x<3"),
    (r"\infty", r"-\infty"),
    (r"\text{yes}", r"\text{no}"),
    ("5!", "5"),
    ("3.14", r"\pi"),
    ("", ""),
    ("", "1"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_expressions_that_mean_the_same_match_either_way(one: str, other: str) -> None:
    assert same_math(one, other)
    assert same_math(other, one)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_expressions_that_differ_do_not_match_either_way(one: str, other: str) -> None:
    assert not same_math(one, other)
    assert not same_math(other, one)


@pytest.mark.parametrize("value", ["7", "x", r"\{1, 2\}", r"\sqrt{2}"])
def test_an_expression_matches_itself_whatever_stands_around_it(value: str) -> None:
    for form in (
        f"${value}$",
        rf"\({value}\)",
        f" {value}. ",
        rf"\left{value}" * (value[0] == "("),
    ):
        assert not form or same_math(form, value)


@pytest.mark.parametrize(
    "answer",
    [
        "x^{2^{10^{10}}}-x^{2^{10^{10}}+1}",
        r"9^{9^{9^{9}}}-1+\sqrt{2}",
        r"\binom{10^{9}}{5 \cdot 10^{8}}+x-x",
        "(" * 400 + "7" + ")" * 400,
        r"\sqrt{" * 150 + "7" + "}" * 150,
        "9" * 5_000,
        "^" * 900,
    ],
)
def test_no_answer_can_freeze_the_process(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Off the main thread as well, where a signal cannot end the call."""
    quick = ProcessPool(math_match._pool().function, seconds=1.0, size=1)
    monkeypatch.setattr(math_match, "_pool", lambda: quick)
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(same_math(answer, "1")))
    thread.start()
    thread.join()
    assert found == [False]
    assert same_math("x+x", "2x")
    quick.close()
