"""Messages and tools in the OpenAI chat format, to frozen values and back.

Every key is either read or refused with an error that names it. Without effect are `id` of a
message, `index` of a call, `strict` of a function, `detail` of an image, and empty `annotations`.
A key whose value is None counts as absent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tinker_core.errors import DataError
from tinker_core.messages import (
    ROLES,
    ImagePart,
    Message,
    Part,
    TextPart,
    ThinkingPart,
    ToolCall,
    ToolSpec,
    UnparsedToolCall,
    parse_arguments,
)
from tinker_core.strict_json import JsonError, parse_json, to_json

_REASONING_KEYS = ("reasoning_content", "reasoning", "thinking")
_MESSAGE_KEYS = {
    *("role", "content", *_REASONING_KEYS, "name", "tool_calls", "tool_call_id", "function_call"),
    *("unparsed_tool_calls", "trainable", "weight", "id", "annotations"),
}


def as_message(value: Message | Mapping[str, Any], *, where: str = "message") -> Message:
    """A message from a `Message` or from a dictionary in the OpenAI chat format.

    Beside the standard keys it takes `reasoning_content`, `reasoning` or `thinking` (the reasoning
    of a model), `trainable` or `weight` (0 or 1), and the older `function_call` and `function`
    role. `where` names the message in the DataError that is raised for an unknown role or key, or
    for a value of the wrong kind.
    """
    if isinstance(value, Message):
        return value
    with _nested_too_deeply(where):
        return _message(_given(value, _MESSAGE_KEYS, where, kind="a message"), where)


def _message(given: Mapping[str, Any], where: str) -> Message:
    role: Any = "tool" if given.get("role") == "function" else given.get("role")
    if role not in ROLES:
        raise DataError(f"unknown role {role!r}; known: {list(ROLES)}", field=f"{where}.role")
    if given.get("annotations"):
        raise DataError(
            f"only empty ones are read, not {given['annotations']!r:.80}",
            field=f"{where}.annotations",
        )
    message = Message(
        role=role,
        content=_content(given, where),
        tool_calls=_tool_calls(given, where),
        unparsed_tool_calls=_unparsed_tool_calls(given, where),
        tool_call_id=_text(given, "tool_call_id", where),
        name=_text(given, "name", where),
        trainable=_trainable(given, where),
    )
    said = message.content or message.tool_calls or message.unparsed_tool_calls
    if role == "assistant" and "content" not in given and not said:
        raise DataError("an assistant message has content or tool calls", field=where)
    return message


def as_conversation(
    values: Sequence[Message | Mapping[str, Any]], *, where: str = "messages"
) -> tuple[Message, ...]:
    """The messages of a conversation, each by `as_message`; raises DataError for an empty one."""
    if isinstance(values, str | Mapping) or not isinstance(values, Sequence):
        with _nested_too_deeply(where):
            shown = f"{values!r:.80}"
        raise DataError(f"a conversation is a list of messages, not {shown}", field=where)
    if not values:
        raise DataError("a conversation needs at least one message", field=where)
    return tuple(as_message(value, where=f"{where}[{i}]") for i, value in enumerate(values))


def as_tools(
    values: Sequence[ToolSpec | Mapping[str, Any]] | str | None, *, where: str = "tools"
) -> tuple[ToolSpec, ...]:
    """Tools from `ToolSpec` values or OpenAI's dictionaries, with or without their outer layer.

    A string is the JSON text of the list. Raises DataError.
    """
    if isinstance(values, str):
        try:
            values = parse_json(values) if values.strip() else None
        except JsonError as error:
            raise DataError(str(error), field=where) from error
    if values is None:
        return ()
    with _nested_too_deeply(where):
        if isinstance(values, Mapping | str) or not isinstance(values, Sequence):
            raise DataError(f"must be a list of tools, not {values!r:.80}", field=where)
        return tuple(_tool(value, f"{where}[{i}]") for i, value in enumerate(values))


def to_openai(message: Message) -> dict[str, Any]:
    """The message as a dictionary that `as_message` reads back, absent fields left out.

    Content is a string where it is one text, else a list of parts. One reasoning part in front of
    it is `reasoning_content`; several, or one between texts, stay parts.
    """
    reasoning, parts = None, message.content
    match parts:
        case (ThinkingPart(thinking), *rest) if thinking and not _reasons(rest):
            reasoning, parts = thinking, tuple(rest)
    optional = {
        "reasoning_content": reasoning,
        "tool_calls": [_openai_call(call) for call in message.tool_calls] or None,
        "unparsed_tool_calls": [
            {"text": call.text, "reason": call.reason} for call in message.unparsed_tool_calls
        ]
        or None,
        "tool_call_id": message.tool_call_id,
        "name": message.name,
        "trainable": message.trainable,
    }
    only_text = not parts or (len(parts) == 1 and isinstance(parts[0], TextPart))
    return {
        "role": message.role,
        "content": message.text if only_text else [_openai_part(part) for part in parts],
        **{key: value for key, value in optional.items() if value is not None},
    }


def _reasons(parts: Iterable[Part]) -> bool:
    return any(isinstance(part, ThinkingPart) for part in parts)


def _openai_call(call: ToolCall) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
        **({"id": call.id} if call.id is not None else {}),
    }


def _openai_part(part: Part) -> dict[str, Any]:
    match part:
        case TextPart(text):
            return {"type": "text", "text": text}
        case ThinkingPart(thinking):
            return {"type": "thinking", "thinking": thinking}
        case ImagePart(image):
            return {"type": "image", "image": image}


@contextmanager
def _nested_too_deeply(where: str) -> Iterator[None]:
    """Raise DataError in place of the RecursionError that `repr` of a deep value raises."""
    try:
        yield
    except RecursionError as error:
        raise DataError("nested too deeply", field=where) from error


def _given(value: object, known: Collection[str], where: str, *, kind: str) -> dict[str, Any]:
    """The dictionary without its None; raises DataError for anything else and for unknown keys."""
    if not isinstance(value, Mapping):
        raise DataError(f"{kind} is a dictionary, not {value!r:.80}", field=where)
    given = {key: item for key, item in value.items() if item is not None}
    if unknown := [key for key in given if key not in known]:
        raise DataError(f"unknown key {unknown[0]!r}; known: {sorted(known)}", field=where)
    return given


def _text(given: Mapping[str, Any], key: str, where: str) -> str | None:
    value = given.get(key)
    return None if value is None else _string(value, f"{where}.{key}")


def _string(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise DataError(f"must be a string, not {value!r:.80}", field=where)
    try:
        return TextPart(value).text
    except DataError as error:
        raise DataError(error.problem, field=where) from error


def _trainable(given: Mapping[str, Any], where: str) -> bool | None:
    found = {key: given[key] for key in ("weight", "trainable") if key in given}
    for key, value in found.items():
        if not isinstance(value, int | float) or value not in (0, 1):
            problem = f"must be true, false, 0 or 1, not {value!r:.80}"
            raise DataError(problem, field=f"{where}.{key}")
    chosen = {bool(value) for value in found.values()}
    if len(chosen) > 1:
        raise DataError(f"weight and trainable contradict each other: {found}", field=where)
    return chosen.pop() if chosen else None


def _content(given: Mapping[str, Any], where: str) -> tuple[Part, ...]:
    """Reasoning, then the content."""
    value, at = given.get("content"), f"{where}.content"
    found = {key: _string(given[key], f"{where}.{key}") for key in _REASONING_KEYS if key in given}
    reasoning = {text for text in found.values() if text}
    if len(reasoning) > 1:
        raise DataError(f"{' and '.join(found)} differ", field=where)
    if value is None or isinstance(value, str):
        parts: tuple[Part, ...] = (TextPart(_string(value, at)),) if value else ()
    elif isinstance(value, list | tuple):
        parts = tuple(_part(part, f"{at}[{i}]") for i, part in enumerate(value))
    else:
        raise DataError(f"must be a string or a list of parts, not {value!r:.80}", field=at)
    if reasoning and _reasons(parts):
        raise DataError(f"reasoning stands in {' and '.join(found)} and in a part", field=where)
    return (*map(ThinkingPart, reasoning), *parts)


def _part(value: object, where: str) -> Part:
    if isinstance(value, TextPart | ThinkingPart | ImagePart):
        return value
    if not isinstance(value, Mapping):
        raise DataError(f"a part is a dictionary, not {value!r:.80}", field=where)
    kind = value.get("type")
    inner = value.get(kind) if isinstance(kind, str) else None
    match kind:
        case "text" if isinstance(inner, str):
            part: Part = TextPart(_string(inner, where))
        case "thinking" if isinstance(inner, str):
            part = ThinkingPart(_string(inner, where))
        case "image" if isinstance(inner, str | bytes):
            part = ImagePart(inner)
        case "image_url" if isinstance(inner, Mapping) and isinstance(inner.get("url"), str):
            _given(inner, {"url", "detail"}, f"{where}.image_url", kind="an image")
            part = ImagePart(inner["url"])
        case _:
            raise DataError(
                f"not a text, thinking, image or image_url part: {value!r:.80}", field=where
            )
    _given(value, {"type", str(kind)}, where, kind="a part")
    return part


def _tool_calls(given: Mapping[str, Any], where: str) -> tuple[ToolCall, ...]:
    value, at = given.get("tool_calls", ()), f"{where}.tool_calls"
    if not isinstance(value, list | tuple):
        raise DataError(f"must be a list of tool calls, not {value!r:.80}", field=at)
    calls = [_tool_call(call, f"{at}[{i}]") for i, call in enumerate(value)]
    if "function_call" in given:
        calls.append(_function(given["function_call"], None, f"{where}.function_call"))
    if calls and given["role"] != "assistant":
        raise DataError(f"a {given['role']} message makes no tool calls", field=where)
    return tuple(calls)


def _tool_call(value: object, where: str) -> ToolCall:
    if isinstance(value, ToolCall):
        return value
    if isinstance(value, Mapping) and value.get("function") is None:
        call = _given(
            value, {"name", "arguments", "id", "type", "index"}, where, kind="a tool call"
        )
        function = {key: call[key] for key in ("name", "arguments") if key in call}
        at = where
    else:
        call = _given(value, {"function", "id", "type", "index"}, where, kind="a tool call")
        function, at = call["function"], f"{where}.function"
    if call.get("type", "function") != "function":
        raise DataError(f"must be 'function', not {call['type']!r:.80}", field=f"{where}.type")
    return _function(function, _text(call, "id", where), at)


def _function(value: object, id_: str | None, where: str) -> ToolCall:
    function = _given(value, {"name", "arguments"}, where, kind="a function")
    name, arguments = function.get("name"), function.get("arguments", {})
    if not isinstance(name, str) or not name:
        raise DataError(f"not a call of a function by name: {value!r:.80}", field=where)
    at = f"{where}.arguments"
    if not isinstance(arguments, str):
        try:
            arguments = to_json(arguments)
        except JsonError as error:
            raise DataError(str(error), field=at) from error
    name = _string(name, f"{where}.name")
    call = ToolCall(name=name, arguments=_string(arguments, at), id=id_)
    parse_arguments(call.arguments, at)
    return call


def _unparsed_tool_calls(given: Mapping[str, Any], where: str) -> tuple[UnparsedToolCall, ...]:
    value, at = given.get("unparsed_tool_calls", ()), f"{where}.unparsed_tool_calls"
    if not isinstance(value, list | tuple):
        raise DataError(f"must be a list, not {value!r:.80}", field=at)
    read = [
        _given(call, {"text", "reason"}, f"{at}[{i}]", kind="one") for i, call in enumerate(value)
    ]
    return tuple(
        UnparsedToolCall(text=str(c.get("text")), reason=str(c.get("reason"))) for c in read
    )


def _tool(value: object, where: str) -> ToolSpec:
    if isinstance(value, ToolSpec):
        return value
    at = where
    if isinstance(value, Mapping) and value.get("function") is not None:
        outer = _given(value, {"type", "function"}, where, kind="a tool")
        function, at = outer["function"], f"{where}.function"
        if not isinstance(function, Mapping):
            raise DataError(f"not a function with a name: {function!r:.80}", field=at)
        value = {**function, "type": outer.get("type")}
    if isinstance(value, Mapping) and value.get("type", "function") not in ("function", None):
        raise DataError(f"must be 'function', not {value['type']!r:.80}", field=f"{where}.type")
    if isinstance(value, Mapping) and not (isinstance(value.get("name"), str) and value["name"]):
        raise DataError(f"not a function with a name: {value!r:.80}", field=at)
    known = {"name", "description", "parameters", "strict", "type"}
    tool = _given(value, known, at, kind="a tool")
    given = {key: tool[key] for key in ("name", "description", "parameters") if key in tool}
    _text(tool, "description", at)
    try:
        return ToolSpec(**given)
    except DataError as error:
        raise DataError(error.problem, field=f"{at}.{error.field}") from error
