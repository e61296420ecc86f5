"""Reasoning that a row has in the text of an answer, between `<think>` and `</think>`."""

from __future__ import annotations

from typing import Literal

from attrs import evolve

from tinker_core import Message, TextPart, ThinkingPart
from tinker_data.layouts.fields import Messages

ThinkTags = Literal["reasoning", "text"]
"""The meaning of `<think>...</think>` at the beginning of an answer: reasoning, or text."""

_OPEN, _CLOSE = "<think>", "</think>"


def read_think_tags(messages: Messages) -> Messages:
    """The messages with reasoning at the beginning of answers as thinking parts.

    A text is changed only if it begins with `<think>`, apart from white space, and has `</think>`
    behind it. White space around the reasoning is dropped.
    """
    return tuple(_read(message) for message in messages)


def _read(message: Message) -> Message:
    if message.role != "assistant" or not message.content:
        return message
    first, *rest = message.content
    if not isinstance(first, TextPart) or not first.text.lstrip().startswith(_OPEN):
        return message
    reasoning, closed, text = first.text.lstrip().removeprefix(_OPEN).partition(_CLOSE)
    if not closed:
        return message
    thinking = [ThinkingPart(reasoning.strip())] if reasoning.strip() else []
    answer = [TextPart(text.lstrip())] if text.strip() else []
    return evolve(message, content=[*thinking, *answer, *rest])
