"""Messages as frozen values, and the OpenAI chat format at the door."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

from attrs import field, frozen, validators

from tinker_core.errors import DataError

Role = Literal["system", "developer", "user", "assistant", "tool"]
ROLES: tuple[str, ...] = get_args(Role)


@frozen
class TextPart:
    """Text that a person reads."""

    text: str = field(validator=validators.instance_of(str))


@frozen
class ThinkingPart:
    """A model's reasoning before or between its answers."""

    thinking: str = field(validator=validators.instance_of(str))


@frozen
class ImagePart:
    """An image, as encoded bytes or as a `data:` URL."""

    image: bytes | str = field(validator=validators.instance_of((bytes, str)))


Part = TextPart | ThinkingPart | ImagePart


@frozen(kw_only=True)
class ToolCall:
    """A call that the model made: a tool's name and its arguments as the JSON text of an object."""

    name: str = field(validator=validators.and_(validators.instance_of(str), validators.min_len(1)))
    arguments: str = field(default="{}", validator=validators.instance_of(str))
    id: str | None = None

    @property
    def parsed_arguments(self) -> dict[str, Any]:
        """The arguments as a dictionary; raises DataError where the text is not a JSON object."""
        return _json_object(self.arguments, f"arguments of {self.name}")


@frozen(kw_only=True)
class UnparsedToolCall:
    """Text in the place of a tool call that is none, and why not."""

    text: str
    reason: str


@frozen(kw_only=True)
class ToolSpec:
    """A tool that the model may call; `parameters` is a JSON schema of an object."""

    name: str = field(validator=validators.and_(validators.instance_of(str), validators.min_len(1)))
    description: str = ""
    parameters: Mapping[str, Any] = field(factory=lambda: {"type": "object", "properties": {}})


def _parts(content: str | Part | Iterable[Part] | None) -> tuple[Part, ...]:
    if content is None:
        return ()
    if isinstance(content, str):
        return (TextPart(content),) if content else ()
    if isinstance(content, TextPart | ThinkingPart | ImagePart):
        return (content,)
    return tuple(content)


@frozen(kw_only=True)
class Message:
    """One turn of a conversation. A string as content becomes one text part; empty text, none."""

    role: Role = field(validator=validators.in_(ROLES))
    content: tuple[Part, ...] = field(
        default=(),
        converter=_parts,
        validator=validators.deep_iterable(
            validators.instance_of((TextPart, ThinkingPart, ImagePart))
        ),
    )
    tool_calls: tuple[ToolCall, ...] = ()
    unparsed_tool_calls: tuple[UnparsedToolCall, ...] = ()
    tool_call_id: str | None = None
    """Of a tool's message: which call it answers."""
    name: str | None = None
    """Of a tool's message: which tool it came from; elsewhere who speaks."""
    trainable: bool | None = None
    """Whether to train on it; read by `TrainOnWhat.CUSTOMIZED` alone."""

    @property
    def text(self) -> str:
        """The text parts joined; no thinking, no images."""
        return "".join(part.text for part in self.content if isinstance(part, TextPart))

    @property
    def thinking(self) -> str:
        """The thinking parts joined."""
        return "".join(part.thinking for part in self.content if isinstance(part, ThinkingPart))


def as_message(value: Message | Mapping[str, Any], *, where: str = "message") -> Message:
    """A message from one, or from a dictionary in the OpenAI chat format.

    Beside the standard keys it takes `reasoning_content` or `thinking` (a model's reasoning) and
    `trainable` or `weight` (0 or 1). `where` names the message in the DataError that is raised for
    an unknown role or key, or a value of the wrong kind.
    """
    if isinstance(value, Message):
        return value
    if not isinstance(value, Mapping):
        raise DataError(f"a message is a dictionary, not {value!r:.80}", field=where)
    given = {key: item for key, item in value.items() if item is not None}
    unknown = sorted(set(given) - _MESSAGE_KEYS)
    if unknown:
        raise DataError(f"unknown key {unknown[0]!r}; known: {sorted(_MESSAGE_KEYS)}", field=where)
    role = given.get("role")
    if role not in ROLES:
        raise DataError(f"unknown role {role!r}; known: {list(ROLES)}", field=f"{where}.role")
    thinking = _text(given, "reasoning_content", where) or _text(given, "thinking", where)
    content = _content(given.get("content"), f"{where}.content")
    return Message(
        role=role,
        content=(*([ThinkingPart(thinking)] if thinking else []), *content),
        tool_calls=_tool_calls(given.get("tool_calls", ()), f"{where}.tool_calls"),
        tool_call_id=_text(given, "tool_call_id", where),
        name=_text(given, "name", where),
        trainable=_trainable(given, where),
    )


_MESSAGE_KEYS = {"role", "content", "reasoning_content", "thinking", "tool_calls", "tool_call_id"}
_MESSAGE_KEYS |= {"name", "trainable", "weight"}


def as_conversation(
    values: Sequence[Message | Mapping[str, Any]], *, where: str = "messages"
) -> tuple[Message, ...]:
    """The messages of a conversation, each by `as_message`; raises DataError when there is none."""
    if isinstance(values, str | Mapping) or not isinstance(values, Sequence):
        raise DataError(f"a conversation is a list of messages, not {values!r:.80}", field=where)
    if not values:
        raise DataError("a conversation needs at least one message", field=where)
    return tuple(as_message(value, where=f"{where}[{i}]") for i, value in enumerate(values))


def to_openai(message: Message) -> dict[str, Any]:
    """The message as a dictionary of the OpenAI chat format, thinking as `reasoning_content`.

    Content is a string where there is only text, else a list of parts; absent fields are left out.
    """
    shown = [part for part in message.content if not isinstance(part, ThinkingPart)]
    only_text = all(isinstance(part, TextPart) for part in shown)
    calls = [
        {
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
            **({"id": call.id} if call.id is not None else {}),
        }
        for call in message.tool_calls
    ]
    optional = {
        "reasoning_content": message.thinking or None,
        "tool_calls": calls or None,
        "tool_call_id": message.tool_call_id,
        "name": message.name,
    }
    return {
        "role": message.role,
        "content": message.text if only_text else [_openai_part(part) for part in shown],
        **{key: value for key, value in optional.items() if value is not None},
    }


def _openai_part(part: Part) -> dict[str, Any]:
    match part:
        case TextPart(text):
            return {"type": "text", "text": text}
        case ThinkingPart(thinking):
            return {"type": "thinking", "thinking": thinking}
        case ImagePart(image):
            return {"type": "image", "image": image}


def _text(given: Mapping[str, Any], key: str, where: str) -> str | None:
    value = given.get(key)
    if value is not None and not isinstance(value, str):
        raise DataError(f"must be a string, not {value!r:.80}", field=f"{where}.{key}")
    return value


def _trainable(given: Mapping[str, Any], where: str) -> bool | None:
    key = "weight" if "weight" in given else "trainable"
    value = given.get(key)
    if value is not None and value not in (0, 1):
        raise DataError(f"must be true, false, 0 or 1, not {value!r:.80}", field=f"{where}.{key}")
    return None if value is None else bool(value)


def _content(value: object, where: str) -> tuple[Part, ...]:
    if value is None or isinstance(value, str):
        return _parts(value)
    if not isinstance(value, list | tuple):
        raise DataError(f"must be a string or a list of parts, not {value!r:.80}", field=where)
    return tuple(_part(part, f"{where}[{i}]") for i, part in enumerate(value))


def _part(value: object, where: str) -> Part:
    if isinstance(value, TextPart | ThinkingPart | ImagePart):
        return value
    if not isinstance(value, Mapping):
        raise DataError(f"a part is a dictionary, not {value!r:.80}", field=where)
    kind = value.get("type")
    inner = value.get(kind) if isinstance(kind, str) else None
    match kind:
        case "text" if isinstance(inner, str):
            return TextPart(inner)
        case "thinking" if isinstance(inner, str):
            return ThinkingPart(inner)
        case "image" if isinstance(inner, str | bytes):
            return ImagePart(inner)
        case "image_url" if isinstance(inner, Mapping) and isinstance(inner.get("url"), str):
            return ImagePart(inner["url"])
    raise DataError(f"not a text, thinking, image or image_url part: {value!r:.80}", field=where)


def _tool_calls(value: object, where: str) -> tuple[ToolCall, ...]:
    if not isinstance(value, list | tuple):
        raise DataError(f"must be a list of tool calls, not {value!r:.80}", field=where)
    return tuple(_tool_call(call, f"{where}[{i}]") for i, call in enumerate(value))


def _tool_call(value: object, where: str) -> ToolCall:
    if isinstance(value, ToolCall):
        return value
    call: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
    function = call.get("function", call)
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise DataError(f"not a call of a function by name: {value!r:.80}", field=where)
    arguments = function.get("arguments")
    text = (
        arguments if isinstance(arguments, str) else json.dumps(arguments or {}, ensure_ascii=False)
    )
    _json_object(text, f"{where}.function.arguments")
    return ToolCall(name=function["name"], arguments=text, id=_text(call, "id", where))


def _json_object(text: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"not JSON: {error}", field=where) from error
    if not isinstance(value, dict):
        raise DataError(f"not a JSON object: {text!r:.80}", field=where)
    return value
