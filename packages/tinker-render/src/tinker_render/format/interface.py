"""The interface of a chat format, and the functions that write a chat with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from tinker_core import Malformed, RenderError, Reply, ToolSpec
from tinker_render.format.chat import Chat
from tinker_render.segments import Segment, SegmentWriter, opening
from tinker_render.tokenizer.codec import Piece


class Format(Protocol):
    """The chat format of a model family. Prompts, examples and parsing all follow from it."""

    @property
    def control_tokens(self) -> tuple[str, ...]:
        """The control tokens that the format writes or reads."""
        ...

    @property
    def stop(self) -> tuple[str, ...]:
        """The control tokens that end a turn of the model, or one stop string."""
        ...

    def begin(self, writer: SegmentWriter, chat: Chat) -> None:
        """Write what tools and the first message put in front of all messages.

        Raises RenderError for tools that the format has no form for.
        """
        ...

    def message(self, writer: SegmentWriter, chat: Chat, i: int) -> None:
        """Write message i of the chat: header, content, end of turn.

        A prompt ends where the content of its last, empty message begins. Raises RenderError for a
        message that the format has no form for.
        """
        ...

    def read(self, pieces: Sequence[Piece], tools: Sequence[ToolSpec]) -> Reply | Malformed:
        """Parse a turn of the model; `pieces` do not include the token that ended it."""
        ...

    def stable_prefix(self, chat: Chat) -> int:
        """Number of leading messages that are written the same whatever messages follow the chat.

        A format that drops earlier reasoning has a shorter stable prefix than the chat.
        """
        ...


def write_chat(format_: Format, chat: Chat) -> list[list[Segment]]:
    """The segments in front of the messages, then the segments of each message.

    The last message of a prompt's chat is written up to where its content begins.
    """
    writer = SegmentWriter()
    try:
        format_.begin(writer, chat)
    except RecursionError as error:
        raise RenderError("the JSON schema of a tool is nested too deeply") from error
    return [writer.segments, *write_messages(format_, chat, range(len(chat)))]


def write_messages(format_: Format, chat: Chat, indices: Iterable[int]) -> list[list[Segment]]:
    """The segments of the messages with these indices."""
    written = []
    for i in indices:
        writer = SegmentWriter()
        writer.start(i, sampled=chat[i].role == "assistant")
        format_.message(writer, chat, i)
        to_write = chat.is_prompt and i == len(chat) - 1
        written.append(opening(writer.segments, i) if to_write else writer.segments)
    return written
