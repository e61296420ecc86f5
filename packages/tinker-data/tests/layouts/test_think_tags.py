"""Reasoning in the text of an answer."""

import pytest

from tinker_core import Message, TextPart, ThinkingPart
from tinker_data import RawRow, read_conversation, read_think_tags


def parts(role, text):
    [message] = read_think_tags((Message(role=role, content=text),))
    return message.content


@pytest.mark.parametrize(
    "text",
    ["<think>hm</think>4", "<think>\nhm\n</think>\n\n4", " \n<think> hm </think> 4"],
)
def test_an_answer_that_begins_with_think_has_reasoning(text):
    assert parts("assistant", text) == (ThinkingPart("hm"), TextPart("4"))


@pytest.mark.parametrize(
    "text",
    [
        "The tag </think> ends it.",
        "hm</think>4",
        "4 <think>hm</think>",
        "<think>hm",
        "<thinking>hm</thinking>4",
    ],
)
def test_any_other_text_stays_text(text):
    assert parts("assistant", text) == (TextPart(text),)


def test_only_answers_have_reasoning():
    for role in ("user", "system", "tool"):
        assert parts(role, "<think>hm</think>4") == (TextPart("<think>hm</think>4"),)


def test_empty_reasoning_is_none():
    assert parts("assistant", "<think>\n\n</think>\n\n4") == (TextPart("4"),)


def test_a_row_is_read_either_way():
    answer = {"role": "assistant", "content": "<think>hm</think>4"}
    row = RawRow(content={"messages": [{"role": "user", "content": "2+2?"}, answer]})
    assert read_conversation(row).messages[1].thinking == "hm"
    text = read_conversation(row, think_tags="text").messages[1]
    assert (text.thinking, text.text) == ("", "<think>hm</think>4")
