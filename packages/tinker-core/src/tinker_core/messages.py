"""Messages, tool calls and tools as frozen values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

from attrs import Attribute, evolve, field, frozen, validators

from tinker_core.errors import DataError
from tinker_core.strict_json import JsonError, parse_json, to_json

Role = Literal["system", "developer", "user", "assistant", "tool"]
ROLES: tuple[str, ...] = get_args(Role)


def _text(_: object, attribute: Attribute[Any], value: object) -> None:
    """Validate a string; one with an unpaired surrogate has no UTF-8 form and no tokens."""
    if not isinstance(value, str):
        raise TypeError(f"{attribute.name} must be a string, not {value!r:.80}")
    if not value.isascii() and value.encode("utf-8", "replace").decode() != value:
        raise DataError(f"unpaired surrogate in {value!r:.80}", field=attribute.name)


def _json_schema(_: object, attribute: Attribute[Any], value: object) -> None:
    if not isinstance(value, bool | Mapping):
        raise DataError(f"must be a JSON schema, not {value!r:.80}", field=attribute.name)
    try:
        to_json(value)
    except JsonError as error:
        raise DataError(str(error), field=attribute.name) from error


_NAME = validators.and_(_text, validators.min_len(1))
_OPTIONAL_TEXT = validators.optional(_text)


@frozen
class TextPart:
    """Text that a person reads."""

    text: str = field(validator=_text)


@frozen
class ThinkingPart:
    """The reasoning of a model before or between its answers."""

    thinking: str = field(validator=_text)


@frozen
class ImagePart:
    """An image, as encoded bytes or as a `data:` URL."""

    image: bytes | str = field(validator=validators.instance_of((bytes, str)))


Part = TextPart | ThinkingPart | ImagePart


def _or_empty_object(text: str) -> str:
    return "{}" if isinstance(text, str) and not text.strip() else text


@frozen(kw_only=True)
class ToolCall:
    """A call of a tool: its name and its arguments as the JSON text of an object."""

    name: str = field(validator=_NAME)
    arguments: str = field(default="{}", converter=_or_empty_object, validator=_text)
    id: str | None = field(default=None, validator=_OPTIONAL_TEXT)

    @property
    def parsed_arguments(self) -> dict[str, Any]:
        """The arguments as a dictionary; raises DataError for text that is not a JSON object."""
        return parse_arguments(self.arguments, f"arguments of {self.name}")


@frozen(kw_only=True)
class UnparsedToolCall:
    """A tool call that could not be parsed: its text and the reason."""

    text: str
    reason: str


@frozen(kw_only=True)
class ToolSpec:
    """A tool that the model may call; `parameters` is a JSON schema, usually of an object."""

    name: str = field(validator=_NAME)
    description: str = field(default="", validator=_text)
    parameters: Mapping[str, Any] | bool = field(
        factory=lambda: {"type": "object", "properties": {}}, validator=_json_schema
    )


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
    """One message of a conversation. A string as content becomes one text part; "" becomes none."""

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
    tool_call_id: str | None = field(default=None, validator=_OPTIONAL_TEXT)
    """In a tool message: the id of the call that it answers."""
    name: str | None = field(default=None, validator=_OPTIONAL_TEXT)
    """In a tool message: the name of the tool; in others: the name of the speaker."""
    trainable: bool | None = None
    """False excludes the message from the loss; `TrainOnWhat.CUSTOMIZED` also reads True."""

    @property
    def text(self) -> str:
        """The text parts joined, without reasoning and images."""
        return "".join(part.text for part in self.content if isinstance(part, TextPart))

    @property
    def thinking(self) -> str:
        """The thinking parts joined."""
        return "".join(part.thinking for part in self.content if isinstance(part, ThinkingPart))


def strip_reasoning(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages without their thinking parts."""
    return tuple(
        evolve(
            message,
            content=[part for part in message.content if not isinstance(part, ThinkingPart)],
        )
        for message in messages
    )


def parse_arguments(text: str, where: str) -> dict[str, Any]:
    """The object in the JSON text of a call's arguments. Raises DataError."""
    try:
        value = parse_json(text)
    except JsonError as error:
        raise DataError(str(error), field=where) from error
    if not isinstance(value, dict):
        raise DataError(f"not a JSON object: {text!r:.80}", field=where)
    return value
