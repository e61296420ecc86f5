"""`{"conversations": [{"from", "value"}]}`: ShareGPT, as LLaMA-Factory and axolotl extend it.

A turn may have `role` in place of `from` and `content` in place of `value`, and the other keys of a
message. `train` (axolotl) is `trainable`. A turn of `function_call` has the JSON of one or several
calls as its value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinker_core import DataError, as_conversation
from tinker_core.strict_json import JsonError, parse_json
from tinker_data.layouts.fields import Messages

KEYS = ("conversations",)
_CALL = "function_call"
ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    _CALL: "assistant",
    "system": "system",
    "developer": "developer",
    "tool": "tool",
    "observation": "tool",
    "function": "tool",
    "function_response": "tool",
}
"""Names of speakers -> roles."""
_RENAMED = {"from": "role", "value": "content", "train": "trainable"}


def read(value: Mapping[str, Any]) -> Messages:
    """The messages of a row. Raises DataError."""
    turns = value["conversations"]
    if not isinstance(turns, list):
        raise DataError(f"must be a list of turns, not {turns!r:.80}", field="conversations")
    messages = [_message(turn, f"conversations[{i}]") for i, turn in enumerate(turns)]
    return as_conversation(messages, where="conversations")


def _message(turn: Any, where: str) -> dict[str, Any]:
    """The turn as a message in the OpenAI format."""
    given = {k: v for k, v in turn.items() if v is not None} if isinstance(turn, Mapping) else {}
    for key, name in _RENAMED.items():
        if key in given and name in given:
            raise DataError(f"both {key!r} and {name!r} are given", field=where)
    message = {_RENAMED.get(key, key): item for key, item in given.items()}
    speaker = message.get("role")
    role = ROLES.get(speaker) if isinstance(speaker, str) else None
    if role is None:
        raise DataError(
            f"a turn is {{'from': ..., 'value': ...}} with 'from' one of {sorted(ROLES)}, "
            f"not {turn!r:.80}",
            field=where,
        )
    if speaker == _CALL:
        if "tool_calls" in message:
            raise DataError(f"a {_CALL} turn has 'tool_calls' beside its value", field=where)
        message["tool_calls"] = _calls(message.pop("content", None), where)
    return {**message, "role": role}


def _calls(value: object, where: str) -> list[Any]:
    try:
        calls = parse_json(value) if isinstance(value, str) else value
    except JsonError as error:
        raise DataError(f"the call of a {_CALL} turn: {error}", field=where) from error
    return calls if isinstance(calls, list) else [calls]
