"""A numeral is read where it stands for one number, and refused where it is part of more."""

from fractions import Fraction

import pytest

from tinker_core.numbers import Number, last_number, only_number, read_number

WHOLE = {
    # signs
    "5": "5",
    "-5": "-5",
    "+5": "5",
    "- 5": "-5",
    "\u22125": "-5",
    "\u2212 5": "-5",
    "\u20135": "-5",
    "\uff0d\uff15": "-5",
    "-0": "0",
    "negative 5": "-5",
    # thousands
    "1,234": "1234",
    "1,234,567.5": "2469135/2",
    "10{,}000": "10000",
    r"10\,000": "10000",
    r"11,\! 111": "11111",
    "18\u202f000": "18000",
    "18\u00a0000": "18000",
    # decimals
    "5.50": "11/2",
    ".5": "1/2",
    "12.": "12",
    "007": "7",
    # exponents
    "1e5": "100000",
    "1E5": "100000",
    "1.8e1": "18",
    "2.5e-3": "1/400",
    "1e+5": "100000",
    "1.5 x 10^5": "150000",
    "1.5 \u00d7 10\u2075": "150000",
    r"1.5 \times 10^{-5}": "3/200000",
    "10^5": "100000",
    # fractions and mixed numbers
    "1/2": "1/2",
    "3/2": "3/2",
    "-3/4": "-3/4",
    "3 / 4": "3/4",
    "0/5": "0",
    r"\frac{3}{4}": "3/4",
    r"-\frac{3}{4}": "-3/4",
    r"\frac{-3}{4}": "-3/4",
    r"\dfrac34": "3/4",
    "1\u20442": "1/2",
    "\u00bd": "1/2",
    "-\u00bd": "-1/2",
    "2\u00bd": "5/2",
    "2 1/2": "5/2",
    "-2 1/2": "-5/2",
    r"2\frac{1}{2}": "5/2",
    # percent, currency, multiples
    "25%": "25",
    r"25\%": "25",
    "25 %": "25",
    "$3.20": "16/5",
    r"\$3.20": "16/5",
    "-$5": "-5",
    "$-5": "-5",
    "5\u20ac": "5",
    "$ 5": "5",
    "70k": "70000",
    "5 million": "5000000",
    "3\u4e07": "30000",
    # LaTeX and Markdown around a number
    "$18$": "18",
    r"\(18\)": "18",
    r"\[4\]": "4",
    "**18**": "18",
    # digits of other scripts
    "\uff11\uff18": "18",
    "\u0661\u0668": "18",
}
"""Texts that are one number, and its exact value."""

REFUSED = [
    *("", "five", "-", "$", ".", "%"),
    # times, ratios, dates, versions
    *("12:30", "1:2", "2024-01-05", "1/2/2024", "1.2.3"),
    # groups that are not thousands; a decimal comma
    *("1,23", "1,2,3", "1,234,56", "1.234.567", "1,00,000", "3,5", "1 200", "18 000", "1'234"),
    *("1_000", "1011_2"),
    # tuples, intervals, lists, choices, ranges
    *("(3, 7)", "(1,234)", "[1,234]", "1, 2", "7 8", "18 or 19", "3 and 5", "12-15", "12\u201315"),
    *("a=1,b=2", "x = 1, y = 2", "x=5 or x=-3", "5 to 10", "3 out of 4", "5 6"),
    # sums, products, powers, roots, constants, names
    *("5 - 3", "5\u22123", "5+3", "3 x 60", "3*60", "3 \u00d7 60", "12\u00f74", r"3 \times 60"),
    *(
        "5^2",
        "5\u00b2",
        "2**3",
        "2^{10}",
        "x^2",
        "x-3",
        "18 - x",
        "3(4)",
        "(1+2)/3",
        "1.5/2",
        "3/x",
    ),
    *(r"\sqrt{16}", "sqrt(16)", "\u221a16", r"2\sqrt{3}", r"2\pi", "2\u03c0", r"\frac{x}{2}"),
    *("\u00b13", "3 \u00b1 2", "5x", "3i", "2x + 1", "x_2", "H2O", "B12", "5!"),
    *("0.(3)", r"0.\overline{3}", "x > 5"),
    # ordinals and multiples that could mean something else
    *("2nd", "5M", "$3bn", "3 and a half"),
    # what Python cannot or should not compute
    *("1/0", "1e1000", "1e999999999", "9" * 1001, "9" * 5000),
]
"""Texts that are not one number, for each reason."""


@pytest.mark.parametrize(("text", "value"), WHOLE.items())
def test_a_text_that_is_a_number_has_its_exact_value(text: str, value: str) -> None:
    for read in (read_number, only_number, last_number):
        number = read(text)
        assert number is not None, read
        assert number.value == Fraction(value), read


@pytest.mark.parametrize("text", REFUSED)
def test_a_text_that_is_not_one_number_is_refused(text: str) -> None:
    assert read_number(text) is None


@pytest.mark.parametrize(
    "text", ["3 apples", "about 3", "It is 3", "3 apples and", "(3)", "3 = 3x"]
)
def test_a_number_among_words_is_not_the_whole_text(text: str) -> None:
    assert read_number(text) is None
    assert only_number("3 apples") == read_number("3")


RANGES = ("12-15", "12\u201315")


@pytest.mark.parametrize("text", [text for text in REFUSED if text not in (*RANGES, "5!")])
def test_no_part_of_what_is_refused_is_taken_for_a_number(text: str) -> None:
    assert only_number(text) is None
    assert last_number(text) is None
    assert last_number(f"Earlier I had 7.\nSo the result is {text}.") in (None, last_number("7"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("It is \u22123", "-3"),
        ("It is - 3", "-3"),
        ("The change is -3 degrees.", "-3"),
        ("x = -3", "-3"),
        ("pages 12-15", "15"),
        ("from 1100-1200", "1200"),
        ("It costs $1,200.00.", "1200"),
        ("She pays 5 dollars, or $5.00", "5"),
        ("18 cm", "18"),
        ("18cm", "18"),
        ("60 km/h", "60"),
        ("$15/hr", "15"),
        ("a 5-year plan", "5"),
        ("18 m\u00b2", "18"),
        (r"90^\circ", "90"),
        ("3 x 60 = 180", "180"),
        ("9 eggs - 2 broken", "2"),
        ("x^2 = 16", "16"),
        ("x_2 = 16", "16"),
        ("There are 18!", "18"),
        ("is **18**.", "18"),
        ("<answer>18</answer>", "18"),
        (r"\boxed{18}", "18"),
        ("=> 18", "18"),
        ("1\n18", "18"),
        ("Step 2: 18", "18"),
        ("covid-19", "19"),
        ("No.5", "5"),
        ("about 5 percent", "5"),
        ("\u7b54\u6848\u662f18\u3002", "18"),
        ("\u5171\uff11\uff18\u4e2a", "18"),
        ("3\u5343\u514b", "3"),
        ("\u7b54\u3048\u306f\uff1a-3\u3067\u3059", "-3"),
        ("\uc815\ub2f5\uc740 18\uc785\ub2c8\ub2e4", "18"),
    ],
)
def test_the_last_number_of_a_sentence_is_read(text: str, value: str) -> None:
    number = last_number(text)
    assert number is not None
    assert number.value == Fraction(value)


@pytest.mark.parametrize(
    ("one", "other"),
    [("3/2", "1/2"), ("2e5", "1e5"), ("-3", "3"), ("0.333", "1/3"), ("1,234", "234")],
)
def test_different_values_are_different_numbers(one: str, other: str) -> None:
    assert last_number(one) != last_number(other)


def test_numbers_are_equal_by_value_not_by_spelling() -> None:
    assert len({last_number(text) for text in ("0.5", "1/2", "50e-2", ".50", r"\frac12")}) == 1


def test_a_number_keeps_its_text() -> None:
    assert last_number("It costs -$1,200.50 today") == Number(Fraction("-1200.5"), "")
    assert last_number("It costs -$1,200.50 today").text == "-$1,200.50"  # type: ignore[union-attr]


@pytest.mark.parametrize("text", WHOLE)
def test_the_text_of_a_number_is_that_number(text: str) -> None:
    number = last_number(f"It is {text}")
    assert number is not None
    assert read_number(number.text) == number


@pytest.mark.parametrize("n", range(-25, 26))
@pytest.mark.parametrize("d", range(1, 6))
def test_every_small_fraction_is_read_in_each_of_its_forms(n: int, d: int) -> None:
    value = Fraction(n, d)
    minus, whole, top = "-" * (n < 0), abs(n) // d, abs(n) % d
    forms = [f"{n}/{d}", rf"{minus}\frac{{{abs(n)}}}{{{d}}}", f"{minus}{whole} {top}/{d}"]
    if value.denominator in (1, 2, 4, 5):
        forms += [f"{float(value)}", f"{float(value):e}", f"{float(value) * 100:.1f}e-2"]
    for form in forms:
        assert read_number(form) == Number(value, ""), form


@pytest.mark.parametrize("n", [0, 999, 1_000, 12_345, 1_234_567, 10**12])
def test_thousands_may_be_grouped(n: int) -> None:
    grouped = f"{n:,}"
    for separator in (",", "{,}", r"\,", "\u202f"):
        assert read_number(grouped.replace(",", separator)) == Number(Fraction(n), "")


@pytest.mark.parametrize(
    "unit",
    ["1 ", "1,", "1/", "1e", "- ", "$", "*", "{", "^ ", "\\frac", "1.", "1x"],
)
def test_a_long_text_is_parsed_in_one_pass(unit: str) -> None:
    """A pattern that backtracks takes minutes here, and pytest's fault handler ends the run."""
    many, spaces = unit * 30_000, unit + " " * 60_000
    for text in (many, many + "5", spaces, spaces + "5"):
        for read in (read_number, only_number, last_number):
            read(text)
