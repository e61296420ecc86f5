"""The layouts of rows with one conversation, told apart by their keys.

openai       {"messages": [{"role", "content", ...}]}
sharegpt     {"conversations": [{"from", "value"}]}
alpaca       {"instruction", "input", "output", "history"}
completion   {"prompt", "completion"}

Every layout may have `system` (a system prompt) and `tools` or `functions` (tools, also as JSON).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import ModuleType
from typing import Any, Literal, get_args

from tinker_core import DataError, Message, ToolSpec, as_tools
from tinker_data.layouts import alpaca, completion, openai, sharegpt
from tinker_data.layouts.fields import Messages, known_fields, text_of
from tinker_data.layouts.think_tags import ThinkTags, read_think_tags
from tinker_data.rows import Conversation, RawRow, as_mapping

Layout = Literal["openai", "sharegpt", "alpaca", "completion"]

_MODULES: dict[Layout, ModuleType] = {
    "openai": openai,
    "sharegpt": sharegpt,
    "alpaca": alpaca,
    "completion": completion,
}
_RECOGNISED_BY: dict[Layout, str] = {
    "openai": "messages",
    "sharegpt": "conversations",
    "alpaca": "instruction",
    "completion": "completion",
}
_COMMON = ("system", "tools", "functions")


def read_conversation(
    row: RawRow,
    layout: Layout | None = None,
    *,
    ignored_keys: Collection[str] = (),
    think_tags: ThinkTags = "reasoning",
) -> Conversation:
    """The conversation in a row, whose layout is recognised by its keys unless it is given.

    Raises DataError with the place and the field for an unknown layout or key, for an invalid
    message, and if there is no assistant message to train on.
    """
    value = as_mapping(row)
    with row.place.errors():
        messages, tools = _read(value, layout or recognise(value), ignored_keys)
    if think_tags == "reasoning":
        messages = read_think_tags(messages)
    return Conversation(messages=messages, tools=tools, place=row.place)


def recognise(value: Mapping[str, Any]) -> Layout:
    """The layout whose key the row has. Raises DataError unless it is exactly one."""
    found = [layout for layout, key in _RECOGNISED_BY.items() if value.get(key) is not None]
    if len(found) == 1:
        return found[0]
    layouts = ", ".join(f"{x} (by {_RECOGNISED_BY[x]!r})" for x in found or _RECOGNISED_BY)
    if found:
        raise DataError(
            f"the row fits several layouts: {layouts}; name one with layout, and the keys of the"
            " others in ignored_keys"
        )
    raise DataError(f"no known layout has the keys {sorted(value)}; known: {layouts}")


def _read(
    value: Mapping[str, Any], layout: Layout, ignored: Collection[str]
) -> tuple[Messages, tuple[ToolSpec, ...]]:
    if layout not in _MODULES:
        raise DataError(f"unknown layout {layout!r}; known: {get_args(Layout)}")
    module, key = _MODULES[layout], _RECOGNISED_BY[layout]
    if value.get(key) is None:
        raise DataError(f"missing; the row has {sorted(value)}", field=key)
    given = known_fields(value, (*module.KEYS, *_COMMON), ignored)
    read: Callable[[Mapping[str, Any]], Messages] = module.read
    messages = _with_system(read(given), text_of(given, "system", optional=True))
    if not any(message.role == "assistant" for message in messages):
        raise DataError("no assistant message to learn from", field=key)
    return messages, _tools(given)


def _with_system(messages: Messages, system: str) -> Messages:
    if not system:
        return messages
    if messages[0].role in ("system", "developer"):
        raise DataError(f"the messages begin with a {messages[0].role} message too", field="system")
    return (Message(role="system", content=system), *messages)


def _tools(given: Mapping[str, Any]) -> tuple[ToolSpec, ...]:
    if "tools" in given and "functions" in given:
        raise DataError("both 'tools' and 'functions' are given", field="tools")
    key = "functions" if "functions" in given else "tools"
    return as_tools(given.get(key), where=key)
