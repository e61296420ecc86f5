"""`{"messages": [{"role", "content", ...}]}`: the chat format of OpenAI, TRL and others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinker_core import as_conversation
from tinker_data.layouts.fields import Messages

KEYS = ("messages",)


def read(value: Mapping[str, Any]) -> Messages:
    """The messages of a row. Raises DataError."""
    return as_conversation(value["messages"], where="messages")
