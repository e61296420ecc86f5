"""The usual shapes of a training row, told apart by their keys, each to a `Conversation`.

openai       {"messages": [{"role", "content", ...}], "tools": [...]}
sharegpt     {"conversations": [{"from", "value"}]}          human, gpt, system, tool
alpaca       {"instruction", "input", "output", "system"}
completion   {"prompt", "completion"}                        text or messages on either side
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

from tinker_core import DataError, ToolSpec, as_conversation
from tinker_data.rows import Conversation, Place, RawRow, as_mapping

Layout = Literal["openai", "sharegpt", "alpaca", "completion"]
Messages = list[Mapping[str, Any]]

_SHAREGPT_ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "system": "system",
    "tool": "tool",
    "observation": "tool",
}


def read_conversation(row: RawRow, layout: Layout | None = None) -> Conversation:
    """The conversation in a row, whose layout is recognised by its keys unless it is given.

    Raises DataError that names the place and the field: an unknown layout, a message that is none,
    no assistant's message to learn from.
    """
    value = as_mapping(row)
    try:
        return _conversation(value, layout or recognise(value), row.place)
    except DataError as error:
        raise row.place.error(error) from error


def recognise(value: Mapping[str, Any]) -> Layout:
    """The layout that has this row's keys; raises DataError where there is none."""
    for layout, key in _KEYS.items():
        if key in value:
            return layout
    raise DataError(
        f"no known layout has the keys {sorted(value)}; known: "
        + ", ".join(f"{layout} (by {key!r})" for layout, key in _KEYS.items())
    )


_KEYS: dict[Layout, str] = {
    "openai": "messages",
    "sharegpt": "conversations",
    "alpaca": "instruction",
    "completion": "completion",
}


def _conversation(value: Mapping[str, Any], layout: Layout, place: Place) -> Conversation:
    key = _KEYS.get(layout)
    if key is None:
        raise DataError(f"unknown layout {layout!r}; known: {get_args(Layout)}")
    if key not in value:
        raise DataError(f"missing; the row has {sorted(value)}", field=key)
    messages = as_conversation(_READERS[layout](value), where=key)
    if not any(message.role == "assistant" for message in messages):
        raise DataError("no assistant message to learn from", field=key)
    return Conversation(messages=messages, tools=_tools(value.get("tools")), place=place)


def _openai(value: Mapping[str, Any]) -> Messages:
    messages: Messages = value["messages"]
    return messages


def _sharegpt(value: Mapping[str, Any]) -> Messages:
    turns = value["conversations"]
    if not isinstance(turns, list):
        raise DataError(f"must be a list of turns, not {turns!r:.80}", field="conversations")
    messages: Messages = []
    for i, turn in enumerate(turns):
        speaker = turn.get("from") if isinstance(turn, Mapping) else None
        role = _SHAREGPT_ROLES.get(speaker) if isinstance(speaker, str) else None
        if role is None:
            known = sorted(_SHAREGPT_ROLES)
            raise DataError(
                f"a turn is {{'from': ..., 'value': ...}} with 'from' one of {known}, "
                f"not {turn!r:.80}",
                field=f"conversations[{i}]",
            )
        messages.append({"role": role, "content": turn.get("value")})
    return messages


def _alpaca(value: Mapping[str, Any]) -> Messages:
    parts = [_text(value, "instruction"), _text(value, "input", optional=True)]
    system = _text(value, "system", optional=True)
    return [
        *([{"role": "system", "content": system}] if system else []),
        {"role": "user", "content": "\n\n".join(part for part in parts if part)},
        {"role": "assistant", "content": _text(value, "output")},
    ]


def _completion(value: Mapping[str, Any]) -> Messages:
    return [
        *_side(value, "prompt", role="user"),
        *_side(value, "completion", role="assistant"),
    ]


def _side(value: Mapping[str, Any], key: str, *, role: str) -> Messages:
    side = value.get(key)
    if isinstance(side, list):
        return side
    return [{"role": role, "content": _text(value, key)}]


def _text(value: Mapping[str, Any], key: str, *, optional: bool = False) -> str:
    text = value.get(key)
    if text is None and optional:
        return ""
    if not isinstance(text, str):
        raise DataError(f"must be a string, not {text!r:.80}", field=key)
    return text


def _tools(value: object) -> tuple[ToolSpec, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise DataError(f"must be a list of tools, not {value!r:.80}", field="tools")
    return tuple(_tool(tool, f"tools[{i}]") for i, tool in enumerate(value))


def _tool(value: object, where: str) -> ToolSpec:
    function = value.get("function", value) if isinstance(value, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise DataError(f"not a function with a name: {value!r:.80}", field=where)
    parameters = function.get("parameters") or {"type": "object", "properties": {}}
    if not isinstance(parameters, Mapping):
        raise DataError("must be a JSON schema", field=f"{where}.parameters")
    return ToolSpec(
        name=function["name"],
        description=function.get("description") or "",
        parameters=parameters,
    )


_READERS: dict[Layout, Callable[[Mapping[str, Any]], Messages]] = {
    "openai": _openai,
    "sharegpt": _sharegpt,
    "alpaca": _alpaca,
    "completion": _completion,
}
