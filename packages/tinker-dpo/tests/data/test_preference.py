"""Rows to pairs: what is read, and what is refused with its place."""

import pytest

from tinker_core import DataError, Message
from tinker_data import Place, PreferencePair, RawRow
from tinker_dpo import JudgedResponse, judge_both, read_judged, read_pair


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def row(value: object) -> RawRow:
    return RawRow(content=value, place=Place(file="pairs.jsonl", row=7))


EXPECTED = PreferencePair(prompt=[user("2+2?")], chosen=[assistant("4")], rejected=[assistant("5")])


@pytest.mark.parametrize(
    "value",
    [
        {"prompt": "2+2?", "chosen": "4", "rejected": "5"},
        {"prompt": [user("2+2?")], "chosen": [assistant("4")], "rejected": [assistant("5")]},
        {"prompt": "2+2?", "chosen": assistant("4"), "rejected": assistant("5")},
        {
            "chosen": [user("2+2?"), assistant("4")],
            "rejected": [user("2+2?"), assistant("5")],
        },
        {
            "prompt": "2+2?",
            "chosen": [user("2+2?"), assistant("4")],
            "rejected": [user("2+2?"), assistant("5")],
        },
    ],
    ids=["texts", "messages", "a message", "implicit prompt", "both"],
)
def test_the_usual_layouts_say_the_same_pair(value: object) -> None:
    pair = read_pair(row(value))
    assert pair == EXPECTED
    assert pair.place == Place(file="pairs.jsonl", row=7)


def test_an_implicit_prompt_is_all_that_the_sides_have_in_common() -> None:
    shared = [{"role": "system", "content": "s"}, user("a"), assistant("b"), user("c")]
    pair = read_pair(
        row(
            {
                "chosen": [*shared, assistant("d")],
                "rejected": [*shared, assistant("e"), user("f"), assistant("g")],
            }
        )
    )
    assert [len(side) for side in (pair.prompt, pair.chosen, pair.rejected)] == [4, 1, 3]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"prompt": "q", "chosen": "a", "rejected": "a"}, "both sides are the same"),
        (
            {"chosen": [user("q"), assistant("a")], "rejected": [user("q"), assistant("a")]},
            "both sides are the same",
        ),
        (
            {"chosen": [user("q"), assistant("a")], "rejected": [user("r"), assistant("b")]},
            "no common prompt",
        ),
        (
            {"prompt": "q", "chosen": [user("q"), assistant("a")], "rejected": "b"},
            "one side has the prompt",
        ),
        (
            {
                "chosen": [user("q"), assistant("a")],
                "rejected": [user("q"), assistant("a"), user("r"), assistant("b")],
            },
            "no response is left after the common prompt",
        ),
        (
            {"prompt": [user("q"), user("r")], "chosen": "a", "rejected": "b"},
            "prompt[1].role: roles do not alternate: user after user",
        ),
        (
            {"prompt": "q", "chosen": [assistant("a"), assistant("c")], "rejected": "b"},
            "chosen[1].role: roles do not alternate: assistant after assistant",
        ),
        (
            {"prompt": "q", "chosen": "a", "rejected": [assistant("b"), user("c")]},
            "rejected: ends with user, not assistant",
        ),
        ({"prompt": [assistant("q")], "chosen": "a", "rejected": "b"}, "assistant after the begin"),
        ({"prompt": "q", "chosen": "a"}, "rejected: missing"),
        ({"chosen": "a", "rejected": "b"}, "prompt: missing"),
        ({"prompt": "q", "chosen": 3, "rejected": "b"}, "chosen: a conversation is a list"),
        ("text", "a row is a JSON object"),
    ],
)
def test_a_pair_that_cannot_be_used_says_where_it_is_and_why(value: object, problem: str) -> None:
    with pytest.raises(DataError) as caught:
        read_pair(row(value))
    assert str(caught.value).startswith("pairs.jsonl:7: ")
    assert problem in str(caught.value)


def test_tools_may_answer_between_the_assistants_messages() -> None:
    call = {"role": "assistant", "tool_calls": [{"function": {"name": "add", "arguments": "{}"}}]}
    prompt = [user("q"), call, {"role": "tool", "content": "4"}, {"role": "tool", "content": "5"}]
    pair = PreferencePair(prompt=prompt, chosen=[assistant("4")], rejected=[assistant("9")])
    assert pair.prompt[-1].role == "tool"


def test_a_judged_response_has_a_label_of_true_or_false() -> None:
    judged = read_judged(row({"prompt": "q", "completion": "a", "label": False}))
    assert judged == JudgedResponse(prompt=[user("q")], response=[assistant("a")], desirable=False)
    with pytest.raises(DataError, match=r"pairs.jsonl:7: label: must be true or false, not 'good'"):
        read_judged(row({"prompt": "q", "completion": "a", "label": "good"}))


def test_a_pair_is_a_good_response_and_a_bad_one() -> None:
    good, bad = judge_both(EXPECTED)
    assert (good.response, good.desirable) == ((Message(role="assistant", content="4"),), True)
    assert (bad.response, bad.desirable) == ((Message(role="assistant", content="5"),), False)
