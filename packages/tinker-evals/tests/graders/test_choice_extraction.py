"""The letter is the one that a reply settles on; rejected, listed and undecided ones are none."""

import pytest

from tinker_evals.graders.choice_extraction import chosen_letter, stated_letter

CITIES = ("London", "Paris", "Rome", "Berlin")
LIST = "A. London\nB. Paris\nC. Rome\nD. Berlin"
CHOSEN = {
    "A": [
        r"\boxed{\textbf{(A)}}",
        "**A**",
        "The answer is A. Option B is wrong.",
        "Answer: A, since",
    ],
    "B": [
        "(b) Paris",
        "\u7b54\u6848\uff1aB",
        "La r\u00e9ponse est B.",
        "B. Paris",
        "B",
        "b",
        "[B]",
    ],
    "C": [
        *(
            "The answer is Rome",
            "C is the correct answer.",
            "Option C is correct.",
            "Rome",
            "C) Rome",
        ),
        *("It is not B, it is C.", "The answer is not London but Rome.", "I think it's C."),
        *("A is wrong. B is wrong. D is wrong. So the answer is C.", "Thus, C.", "Rome (C)"),
        *("Answer: A\nNo, wait.\nAnswer: C", "Is it A? No. The answer is C, not A."),
        *(f"{LIST}\nThe correct answer is C.", f"The options are:\n{LIST}\n\n**C. Rome**"),
        *("A. London is wrong.\nB. Paris is wrong.\nC. Rome is right.\nD. Berlin is wrong.",),
        *(
            "\u6545\u9009C\u3002",
            "\u6b63\u89e3\u306fC\u3067\u3059\u3002",
            "\u7b54\u6848\uff1a\uff23",
        ),
        *("Die richtige Antwort ist C.", '{"answer": "C"}', "<answer>C</answer>", "#### C"),
        *("The correct answer is:\n\nC. Rome\n\nI hope this helps!", "Answer - C", "Answer: C?"),
        *(r"\boxed{A} is wrong, so \boxed{C}", r"$\boxed{\text{Rome}}$", "Its capital is Rome."),
    ],
    "D": [
        *(
            "Option B? No. Option D!",
            "Answer: A\nWait, no. Answer: D",
            "The answer is A. No wait, it's D.",
        ),
        *("I don't think it's C, so D.", "Rather than A, the answer is D.", "<b>D</b>", "1. D"),
        *(
            "I'll go for D.",
            "I'd say D.",
            "My choice: D",
            "Probably D.",
            "D, I think.",
            "correct: D",
        ),
        *("D seems right.", "D looks correct.", "La risposta \u00e8 D.", "A resposta \u00e9 D."),
        *("\u041e\u0442\u0432\u0435\u0442: D", "\ub2f5: D", "Odpowied\u017a: D"),
        "I would choose D.",
        "I'd go with D",
        "Select option D",
        "The best option is D: Berlin",
    ],
}
NONE = [
    *("It is definitely not option B.", "The answer is not B.", "It is not London.", "A is wrong."),
    *(LIST, f"What is the capital?\n{LIST}", "A) London B) Paris C) Rome D) Berlin"),
    *("The options are A, B, C and D.", "London, Paris, Rome and Berlin are capitals."),
    *("Answer: A or B", "Answer: A, B", "Answer: A/B", "Answer: A and C", "(A) or (B)", "A or B?"),
    *("The answer is either A or C.", "The answer could be B or C.", "It is Rome or Paris."),
    *("Both A and C are possible.", "Is the answer C?", "The answer is A. Option A is wrong."),
    *("I would not choose D.", "I wouldn't pick D.", "Never choose A.", "I reject option A."),
    *("I don't think it's C", "I don't believe the answer is B.", "I doubt that it's B."),
    *("It is not clear that the answer is B.", "It would be wrong to choose A.", "Answer: (A) (B)"),
    *("I don't think C is correct.", "I would rule out option B.", "The answer cannot be B."),
    *("Answer: E", "Answer: None", "I cannot tell.", "None of these", "Can't say", "", "?"),
    *("A good question!", "A capital is a city.", "I don't know", "I'm sorry, I can't help."),
]


@pytest.mark.parametrize(
    ("reply", "letter"),
    [(reply, letter) for letter, replies in CHOSEN.items() for reply in replies],
)
def test_a_reply_chooses_the_letter_that_it_settles_on(reply: str, letter: str) -> None:
    assert chosen_letter(reply, CITIES) == letter


@pytest.mark.parametrize("reply", NONE)
def test_a_reply_that_settles_on_no_letter_has_none(reply: str) -> None:
    assert chosen_letter(reply, CITIES) is None


@pytest.mark.parametrize("letter", "ABCD")
def test_no_letter_is_preferred(letter: str) -> None:
    """What holds for one letter holds for each, so that no grader favours the first."""
    text = CITIES["ABCD".index(letter)]
    for reply in (
        f"The answer is {letter}.",
        f"({letter})",
        f"**{letter}**",
        f"It is {text}.",
        text,
    ):
        assert chosen_letter(reply, CITIES) == letter
    for reply in (f"It is not {letter}.", f"It is not {text}.", f"Option {letter} is wrong."):
        assert chosen_letter(reply, CITIES) is None


@pytest.mark.parametrize(
    ("choices", "reply", "letter"),
    [
        (("Yes", "No"), "No, because it rains.", "B"),
        (("12", "15", "18"), "The answer is 18, which is C.", "C"),
        (("12", "15", "18"), "The answer is 16.", None),
        (("a dog", "a cat", "a stove"), "A stove", "C"),
        (("a dog", "a cat", "a stove"), "I think it is a cat or a dog", None),
        (("A and B", "B and C", "All of the above"), "Answer: A and B", "A"),
        (("gold", "gold and silver"), "It is gold and silver.", "B"),
        (("\u4f26\u6566", "\u7f57\u9a6c"), "\u9996\u90fd\u662f\u7f57\u9a6c\u3002", "B"),
        (("x", "?!"), "?!", None),  # a choice without words is known by its letter alone
        (tuple("abcdefghij"), "I am not sure.", None),
        (tuple("abcdefghij"), "The answer is J.", "J"),
    ],
)
def test_a_choice_is_known_by_its_text_too(
    choices: tuple[str, ...], reply: str, letter: str | None
) -> None:
    assert chosen_letter(reply, choices) == letter


def test_the_form_that_was_asked_for_is_a_line_of_its_own() -> None:
    assert stated_letter("So.\nAnswer: (C).", 4) == "C"
    assert stated_letter("Answer: C\n\nQuestion: another?\nAnswer: B", 4) == "C"
    for reply in ("C", "The answer is C", "Answer: E", "Answer: C or D", "Answer: Can't say"):
        assert stated_letter(reply, 4) is None
