"""What a model family has to say about its chats, and how a conversation is written by it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from tinker_core import Malformed, Reply, Role, ToolSpec
from tinker_render.format.chat import Chat
from tinker_render.segments import Segment, Stream
from tinker_render.tokenizer.codec import Piece


class Format(Protocol):
    """How a model family writes a conversation. Everything else follows from it."""

    @property
    def markers(self) -> tuple[str, ...]:
        """The control tokens that it writes or reads."""
        ...

    @property
    def stop(self) -> tuple[str, ...]:
        """What ends the model's turn: markers, or, in a format without any, one text."""
        ...

    def begin(self, stream: Stream, chat: Chat) -> None:
        """What tools and the first message put before the messages. Raises RenderError."""
        ...

    def message(self, stream: Stream, chat: Chat, i: int) -> None:
        """One message of the chat. Raises RenderError for one that it cannot express."""
        ...

    def open(self, stream: Stream, chat: Chat, role: Role) -> None:
        """What stands between the messages and the first token of the next one, by `role`."""
        ...

    def read(self, pieces: Sequence[Piece], tools: Sequence[ToolSpec]) -> Reply | Malformed:
        """The message in a turn of the model, without what ended it."""
        ...

    def settled(self, chat: Chat) -> int:
        """How many messages of a chat that ends with a turn of the model are written for good.

        Up to the end of that turn, whatever follows it changes none of them.
        """
        ...


def write_chat(format_: Format, chat: Chat) -> list[list[Segment]]:
    """The segments before the messages, then those of each message."""
    stream = Stream()
    format_.begin(stream, chat)
    return [stream.segments, *write_messages(format_, chat, range(len(chat)))]


def write_messages(format_: Format, chat: Chat, messages: Iterable[int]) -> list[list[Segment]]:
    """The segments of each of these messages."""
    written = []
    for i in messages:
        stream = Stream()
        stream.turn(i, sampled=chat[i].role == "assistant")
        format_.message(stream, chat, i)
        written.append(stream.segments)
    return written


def write_opening(format_: Format, chat: Chat, role: Role) -> list[Segment]:
    """The segments between the messages and the first token of the next one."""
    stream = Stream()
    stream.turn(len(chat), sampled=False)
    format_.open(stream, chat, role)
    return stream.segments


def emitted(segments: list[Segment]) -> list[Segment]:
    """A message of the assistant up to where the model stopped."""
    places = range(len(segments) - 1, -1, -1)
    return segments[: next(i + 1 for i in places if segments[i].sampled)]
