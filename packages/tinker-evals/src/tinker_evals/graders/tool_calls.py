"""The grader of tool calls, by the rules of the Berkeley Function Calling Leaderboard.

An expected call names a function and the allowed values of each argument; `""` among them makes the
argument optional. Strings are compared without case, spaces and most punctuation. Rules: Patil et
al., "The Berkeley Function Calling Leaderboard", ICML 2025.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from tinker_core import Message
from tinker_evals.dataset.item import Item
from tinker_evals.graders.grade import Grade

Call = tuple[str, Mapping[str, Any]]
"""A function name and its arguments."""

_OPENING = re.compile(r"\{|\[\s*\{")
"""The beginning of an object, or of a list of objects."""
_IGNORED = re.compile(r"[ ,./\-_*^]")


@frozen(kw_only=True)
class CallGrader:
    """An item's target is `{"calls": [{name: {argument: [allowed, ...]}}, ...], "any": false}`.

    The order of several calls does not matter. An empty list of calls requires a reply in words;
    with `any`, any call is right. Strict takes the calls that the renderer parsed; lenient also
    takes calls that are written as JSON in the text.
    """

    name: str = "calls"
    version: int = 1

    async def grade_message(self, message: Message, item: Item) -> Grade:
        """1 if the calls are exactly the expected ones."""
        parsed = [(call.name, json.loads(call.arguments)) for call in message.tool_calls]
        written = parsed or list(written_calls(message.text))
        found = {"strict": parsed, "lenient": written}
        return Grade(
            scores={k: float(_right(calls, message, item)) for k, calls in found.items()},
            answers={k: _shown(calls) or message.text or None for k, calls in found.items()},
        )


def _right(calls: Sequence[Call], message: Message, item: Item) -> bool:
    if item.target["any"]:
        return bool(calls)
    expected = item.target["calls"]
    if not expected:
        return not calls and not message.unparsed_tool_calls and bool(message.text.strip())
    if len(calls) != len(expected):
        return False
    schemas = {tool["name"]: tool["parameters"] for tool in item.tools}
    left = list(calls)
    for wanted in expected:
        found = next((call for call in left if same_call(call, wanted, schemas)), None)
        if found is None:
            return False
        left.remove(found)
    return True


def same_call(
    call: Call, expected: Mapping[str, Mapping[str, Any]], schemas: Mapping[str, Any]
) -> bool:
    """True if the function is the expected one, its arguments are allowed, and none is missing."""
    name, arguments = call
    ((wanted, allowed),) = expected.items()
    if name != wanted or not arguments.keys() <= allowed.keys():
        return False
    schema = {"required": (), "properties": {}} | schemas.get(name, {})
    may_lack = {key for key, values in allowed.items() if "" in values} - {*schema["required"]}
    types = {key: each.get("type") for key, each in schema["properties"].items()}
    return allowed.keys() - arguments.keys() <= may_lack and all(
        _allowed(value, allowed[key], types.get(key)) for key, value in arguments.items()
    )


def _allowed(value: Any, values: Sequence[Any], kind: str | None) -> bool:
    if (kind == "integer" and type(value) is float) or (kind != "string" and value == ""):
        return False  # an integer argument must not be 5.0
    return any(same_value(value, answer) for answer in values)


def same_value(value: Any, answer: Any) -> bool:
    """True if a value equals an allowed one. In a dictionary, each key has its allowed values."""
    match value, answer:
        case str(), str():
            return _plain(value) == _plain(answer)
        case list(), list():
            return len(value) == len(answer) and all(map(same_value, value, answer))
        case dict(), dict():
            return value == answer or _same_dictionary(value, answer)
    same_type = isinstance(value, bool) == isinstance(answer, bool)
    return same_type and bool(value == answer)


def _same_dictionary(value: Mapping[str, Any], answer: Mapping[str, Any]) -> bool:
    options = {key: each if isinstance(each, list) else [each] for key, each in answer.items()}
    return (
        value.keys() <= options.keys()
        and all("" in allowed for key, allowed in options.items() if key not in value)
        and all(any(same_value(v, allowed) for allowed in options[k]) for k, v in value.items())
    )


def _plain(text: str) -> str:
    return _IGNORED.sub("", text).lower().replace("'", '"')


def written_calls(text: str) -> Iterator[Call]:
    """The objects `{"name": ..., "arguments": {...}}` in a text, alone or in a list."""
    decoder, start = json.JSONDecoder(), 0
    while (found := _OPENING.search(text, start)) is not None:
        try:
            value, start = decoder.raw_decode(text, found.start())
        except json.JSONDecodeError:
            start = found.start() + 1
            continue
        except RecursionError:  # what is nested so deep holds no call
            return
        for each in value if isinstance(value, list) else [value]:
            match each:
                case {"name": str(name), "arguments": dict(arguments)}:
                    yield name, arguments


def _shown(calls: Sequence[Call]) -> str:
    return "\n".join(
        f"{name}({json.dumps(arguments, ensure_ascii=False)})" for name, arguments in calls
    )
