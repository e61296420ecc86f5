"""Fields of a row that hold text or messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinker_core import DataError, Message, Role, as_conversation

Messages = tuple[Message, ...]


def side_of(value: Mapping[str, Any], key: str, *, role: Role) -> Messages:
    """The messages in a row's field: text, one message or several. Raises DataError."""
    side = value.get(key)
    if side is None:
        raise DataError(f"missing; the row has {sorted(value)}", field=key)
    if isinstance(side, str):
        return (Message(role=role, content=side),)
    return as_conversation([side] if isinstance(side, Mapping) else side, where=key)
