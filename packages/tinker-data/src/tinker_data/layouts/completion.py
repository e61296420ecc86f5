"""`{"prompt", "completion"}`: text or messages on both sides, as in TRL.

Only the completion is trained on: messages of the prompt have the weight 0 unless they set one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from tinker_core import DataError, Message
from tinker_data.layouts.fields import Messages, messages_of

KEYS = ("prompt", "completion")


def read(value: Mapping[str, Any]) -> Messages:
    """The messages of a row. Raises DataError."""
    for key in KEYS:
        if not isinstance(value.get(key), str | list):
            raise DataError(f"must be a string, not {value.get(key)!r:.80}, or messages", field=key)
    prompt = messages_of(value, "prompt", role="user")
    return (*map(_given, prompt), *messages_of(value, "completion", role="assistant"))


def _given(message: Message) -> Message:
    return evolve(message, trainable=False) if message.trainable is None else message
