"""Gemma 3: `<start_of_turn>user` and `model` alternate; system text is part of a user message."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from tinker_core import Malformed, Reply, Role, ToolSpec
from tinker_render.format.chat import Chat
from tinker_render.format.message_text import only_text, refuse, refuse_tools
from tinker_render.parsing.turn import text_reply
from tinker_render.segments import SegmentWriter
from tinker_render.tokenizer.codec import Piece

_ROLES: dict[Role, str] = {"user": "user", "assistant": "model"}


@frozen
class Gemma3:
    """Text only. Earlier turns are never rewritten."""

    control_tokens = ("<bos>", "<start_of_turn>", "<end_of_turn>")
    stop = ("<end_of_turn>",)

    def begin(self, writer: SegmentWriter, chat: Chat) -> None:
        """Write the BOS token."""
        if chat.tools:
            raise refuse_tools("gemma3")
        writer.header("<bos>")
        if chat[0].role == "system" and len(chat) == 1:
            raise refuse(0, chat[0], "gemma3 writes it into a user message, and there is none")

    def message(self, writer: SegmentWriter, chat: Chat, i: int) -> None:
        """Write header, trimmed text and end. User and assistant messages must alternate."""
        message, first = chat[i], int(chat[0].role == "system")
        if i < first:
            return
        if message.role != ("user", "assistant")[(i - first) % 2]:
            raise refuse(i, message, "in gemma3 user and assistant messages alternate")
        writer.header(f"<start_of_turn>{_ROLES[message.role]}\n")
        if i == first == 1:
            writer.start(0, sampled=False)
            writer.text(only_text(0, chat[0], "gemma3"))
            writer.header("\n\n")
            writer.start(i, sampled=False)
        writer.text(only_text(i, message, "gemma3").strip())
        writer.markup("<end_of_turn>")
        writer.header("\n")

    def read(self, pieces: Sequence[Piece], tools: Sequence[ToolSpec]) -> Reply | Malformed:
        """Read the text without trimming it."""
        return text_reply(pieces)

    def stable_prefix(self, chat: Chat) -> int:
        """All messages."""
        return len(chat)


def gemma3(*_: object) -> Gemma3:
    """The format of Gemma 3."""
    return Gemma3()
