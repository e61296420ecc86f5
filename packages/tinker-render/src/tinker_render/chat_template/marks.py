"""Marks: placeholders for the texts of a conversation while a chat template runs on it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from attrs import frozen

from tinker_core import Message
from tinker_core.strict_json import to_json
from tinker_render.chat_template.tool_calls import call_dicts, strings_of
from tinker_render.format.message_text import reasoning_and_answer, without_reasoning

BEGINS = "\ue0f0"  # a character for private use
MARK = re.compile("(\ue0f0[0-9]+(?:[.:]|-[0-9]+)\ue0f1)")
REASONING, TEXT = ".", ":"
_PRIVATE_PLANE = range(0xF0000, 0xFFFFE)

Texts = Mapping[str, str]
"""Mark -> the text that it stands for."""


def mark_of(index: int, kind: str) -> str:
    """The mark of the reasoning, the text or a string in a call of a message; it has no letters."""
    return f"\ue0f0{index}{kind}\ue0f1"


def index_of(mark: str) -> int:
    """The index of the message of a mark."""
    return int(re.split("[.:-]", mark[1:-1])[0])


def is_of_call(mark: str) -> bool:
    """True if the mark stands for a string in a call."""
    return "-" in mark


def forms_of(text: str) -> str:
    """A pattern for the forms in which a template may write the text: trimmed, or in JSON."""
    line = text.strip("\n")
    forms = dict.fromkeys([text, text.lstrip("\n"), text.rstrip("\n"), line, text.strip()])
    forms |= {to_json(text)[1:-1]: None}  # in the JSON of a call
    return f"({'|'.join(map(re.escape, forms))})"


def texts_of(messages: Sequence[Message]) -> dict[str, str]:
    """Every text of the messages by its mark; also an empty one where nothing else is said."""
    texts: dict[str, str] = {}
    for i, message in enumerate(messages):
        reasoning, text = (
            reasoning_and_answer(i, message, "a chat template")
            if message.role == "assistant"
            else ("", without_reasoning(i, message, "a chat template"))
        )
        texts |= {mark_of(i, REASONING): reasoning} if reasoning.strip() else {}
        texts |= {mark_of(i, TEXT): text} if text.strip() or not message.tool_calls else {}
        texts |= {mark_of(i, f"-{n}"): said for n, said in enumerate(strings_of(message))}
    return texts


def as_dicts(
    messages: Sequence[Message], shown: Texts, *, reasoning_key: str
) -> list[dict[str, Any]]:
    """The messages as a template takes them, with `shown` in the place of each mark."""
    return [
        {
            "role": message.role,
            "content": shown.get(mark_of(i, TEXT), ""),
            **(
                {reasoning_key: shown[mark_of(i, REASONING)]}
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


@frozen
class Disguise:
    """Replaces control tokens that texts spell, so that a template does not react to them.

    The chat templates of many models look for `</think>` in a text and take what is in front of it
    for reasoning. A text is text, whatever it spells.
    """

    by_token: dict[str, str]
    """Control token -> a character for private use that occurs in no text."""

    @classmethod
    def of(cls, texts: Texts, control_tokens: Sequence[str]) -> Disguise:
        """A disguise for these texts."""
        joined = "".join(texts.values())
        free = (chr(code) for code in _PRIVATE_PLANE if chr(code) not in joined)
        spelled = [token for token in control_tokens if token in joined]
        return cls(dict(zip(sorted(spelled, key=len, reverse=True), free, strict=False)))

    def put_on(self, text: str) -> str:
        """The text with every control token replaced."""
        for token, character in self.by_token.items():
            text = text.replace(token, character)
        return text

    def take_off(self, text: str) -> str:
        """The original of a text that `put_on` returned."""
        for token, character in reversed(self.by_token.items()):
            text = text.replace(character, token)
        return text
