"""`{"instruction", "input", "output"}`: Alpaca, with the `history` of LLaMA-Factory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinker_core import DataError, as_conversation
from tinker_data.layouts.fields import Messages, text_of

KEYS = ("instruction", "input", "output", "history")


def read(value: Mapping[str, Any]) -> Messages:
    """The messages of a row: history, instruction with input, output. Raises DataError."""
    parts = [text_of(value, "instruction"), text_of(value, "input", optional=True)]
    messages = [
        *_history(value.get("history", [])),
        {"role": "user", "content": "\n\n".join(part for part in parts if part)},
        {"role": "assistant", "content": text_of(value, "output")},
    ]
    return as_conversation(messages, where="instruction")


def _history(turns: object) -> list[dict[str, str]]:
    if not isinstance(turns, list):
        raise DataError(
            f"must be a list of [instruction, output], not {turns!r:.80}", field="history"
        )
    messages = []
    for i, turn in enumerate(turns):
        match turn:
            case [str(instruction), str(output)]:
                messages.append({"role": "user", "content": instruction})
                messages.append({"role": "assistant", "content": output})
            case _:
                raise DataError(
                    f"must be [instruction, output], not {turn!r:.80}", field=f"history[{i}]"
                )
    return messages
