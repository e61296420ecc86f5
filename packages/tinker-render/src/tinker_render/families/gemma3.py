"""Gemma 3: `<start_of_turn>user` and `model` in turn, the system's text before the user's first."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from tinker_core import Malformed, RenderError, Reply, Role, ToolSpec
from tinker_render.format.chat import Chat
from tinker_render.format.message_text import only_text, refuse
from tinker_render.parsing.turn import as_text
from tinker_render.segments import Stream
from tinker_render.tokenizer.codec import Piece

_ROLES: dict[Role, str] = {"user": "user", "assistant": "model"}


@frozen
class Gemma3:
    """Text only; every turn stays as it was emitted."""

    markers = ("<bos>", "<start_of_turn>", "<end_of_turn>")
    stop = ("<end_of_turn>",)

    def begin(self, stream: Stream, chat: Chat) -> None:
        """The beginning of a text."""
        if chat.tools:
            raise RenderError("gemma3 has no form for tools")
        stream.frame("<bos>")
        if chat[0].role == "system" and len(chat) == 1:
            raise refuse(0, chat[0], "gemma3 writes it into the user's message: there is none")

    def message(self, stream: Stream, chat: Chat, i: int) -> None:
        """User and model in turn, their texts trimmed."""
        message, first = chat[i], int(chat[0].role == "system")
        if i < first:
            return
        if message.role != ("user", "assistant")[(i - first) % 2]:
            raise refuse(i, message, "in gemma3 user and assistant speak in turn")
        stream.frame(f"<start_of_turn>{_ROLES[message.role]}\n")
        if i == first == 1:
            stream.turn(0, sampled=False)
            stream.text(only_text(0, chat[0], "gemma3"))
            stream.frame("\n\n")
            stream.turn(i, sampled=False)
        stream.text(only_text(i, message, "gemma3").strip())
        stream.mark("<end_of_turn>")
        stream.frame("\n")

    def open(self, stream: Stream, chat: Chat, role: Role) -> None:
        """The header."""
        if role not in _ROLES:
            raise RenderError(f"gemma3 cannot open a {role} message")
        stream.frame(f"<start_of_turn>{_ROLES[role]}\n")

    def read(self, pieces: Sequence[Piece], tools: Sequence[ToolSpec]) -> Reply | Malformed:
        """The text, nothing trimmed."""
        return as_text(pieces)

    def settled(self, chat: Chat) -> int:
        """All: every turn stays as it was emitted."""
        return len(chat)


def gemma3(*_: object) -> Gemma3:
    """As Gemma 3's template has it."""
    return Gemma3()
