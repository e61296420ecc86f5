"""Fields of a row: which there are, and those that contain text or messages."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from tinker_core import DataError, Message, Role, as_conversation

Messages = tuple[Message, ...]

WITHOUT_EFFECT = frozenset(
    [
        *("id", "_id", "idx", "index", "uuid", "row_id", "conversation_id", "prompt_id"),
        *("source", "dataset", "origin", "category", "tags", "metadata", "meta"),
        *("language", "lang", "license", "url", "timestamp", "created", "created_at"),
        "parallel_tool_calls",  # of OpenAI's fine-tuning; it changes no token
    ]
)
"""Keys that say something about a row and nothing about what to train on."""


def known_fields(
    value: Mapping[str, Any], known: Collection[str], ignored: Collection[str] = ()
) -> dict[str, Any]:
    """The fields of a row that are not None, without those that have no effect.

    Raises DataError for a key that is neither known nor ignored; `ignored` may contain "*".
    """
    given = {key: item for key, item in value.items() if item is not None}
    used = {key: item for key, item in given.items() if key in known and key not in ignored}
    for key in given:
        if key not in used and key not in WITHOUT_EFFECT and not {key, "*"} & set(ignored):
            raise DataError(
                f"unknown key {key!r}; known: {sorted(known)}; ignored_keys names keys to ignore"
            )
    return used


def text_of(value: Mapping[str, Any], key: str, *, optional: bool = False) -> str:
    """The text in a field; "" for a missing one if it is optional. Raises DataError."""
    text = value.get(key)
    if text is None and optional:
        return ""
    if not isinstance(text, str):
        raise DataError(f"must be a string, not {text!r:.80}", field=key)
    return text


def messages_of(value: Mapping[str, Any], key: str, *, role: Role) -> Messages:
    """The messages in a field: a text is one message of `role`. Raises DataError."""
    given = value.get(key)
    if given is None:
        raise DataError(f"missing; the row has {sorted(value)}", field=key)
    if isinstance(given, str):
        return as_conversation([{"role": role, "content": given}], where=key)
    return as_conversation([given] if isinstance(given, Mapping) else given, where=key)
