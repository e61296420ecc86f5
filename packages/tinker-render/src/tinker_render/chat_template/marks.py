"""Marks: what stands for the texts of a conversation while a chat template is run on it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from tinker_core import Message
from tinker_render.chat_template.tool_calls import call_dicts, strings_of
from tinker_render.format.message_text import reasoning_and_answer, refuse, without_reasoning
from tinker_render.tools.json_calls import to_json

BEGINS = "\ue0f0"  # a character for private use
MARK = re.compile("(\ue0f0[0-9]+(?:[.:]|-[0-9]+)\ue0f1)")
REASONING, TEXT = ".", ":"

Texts = Mapping[str, str]
"""Mark -> the text that it stands for. An empty text has no mark."""


def mark_of(index: int, kind: str) -> str:
    """Stands for reasoning, text or a call's string of a message. It has no letters with a case."""
    return f"\ue0f0{index}{kind}\ue0f1"


def index_of(mark: str) -> int:
    """The message whose mark it is."""
    return int(re.split("[.:-]", mark[1:-1])[0])


def is_of_call(mark: str) -> bool:
    """Whether it stands for a string of a call."""
    return "-" in mark


def ways_of(text: str) -> str:
    """A pattern for the text as a template may write it."""
    line = text.strip("\n")
    ways = dict.fromkeys([text, text.lstrip("\n"), text.rstrip("\n"), line, text.strip()])
    ways |= {to_json(text)[1:-1]: None}  # within the JSON of a call
    return f"({'|'.join(map(re.escape, ways))})"


def texts_of(messages: Sequence[Message]) -> dict[str, str]:
    """Every text of the messages by its mark; raises RenderError for an empty message."""
    texts: dict[str, str] = {}
    for i, message in enumerate(messages):
        reasoning, text = (
            reasoning_and_answer(i, message, "a chat template")
            if message.role == "assistant"
            else ("", without_reasoning(i, message, "a chat template"))
        )
        if not text.strip() and not message.tool_calls:
            raise refuse(i, message, "an empty text cannot be found in what a template writes")
        texts |= {mark_of(i, REASONING): reasoning} if reasoning.strip() else {}
        texts |= {mark_of(i, TEXT): text} if text.strip() else {}
        texts |= {mark_of(i, f"-{n}"): said for n, said in enumerate(strings_of(message))}
    return texts


def as_dicts(
    messages: Sequence[Message], texts: Texts, *, real: bool = False
) -> list[dict[str, Any]]:
    """The messages for the template, with marks or with the real texts."""
    shown = {mark: text if real else mark for mark, text in texts.items()}
    return [
        {
            "role": message.role,
            "content": shown.get(mark_of(i, TEXT), ""),
            **(
                {"reasoning_content": shown[mark_of(i, REASONING)]}
                if mark_of(i, REASONING) in shown
                else {}
            ),
            **(_shown_calls(i, message, shown) if message.tool_calls else {}),
            **({"name": message.name} if message.name else {}),
            **({"tool_call_id": message.tool_call_id} if message.tool_call_id else {}),
        }
        for i, message in enumerate(messages)
    ]


def _shown_calls(i: int, message: Message, shown: Texts) -> dict[str, Any]:
    number = count()
    return {"tool_calls": call_dicts(message, lambda _: shown[mark_of(i, f"-{next(number)}")])}
