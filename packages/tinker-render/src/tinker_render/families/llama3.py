"""Llama 3 Instruct: `<|start_header_id|>role<|end_header_id|>`, a blank line, trimmed text.

The templates of 3.1 and later put a knowledge date and today's date before it; this one does not.
Their tool calls are bare JSON, which no parser can tell from an answer: tools are refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from tinker_core import Malformed, RenderError, Reply, Role, ToolSpec
from tinker_render.format.chat import Chat
from tinker_render.format.message_text import only_text, refuse
from tinker_render.parsing.turn import as_text
from tinker_render.segments import Stream
from tinker_render.tokenizer.codec import Piece


@frozen
class Llama3:
    """Text only; every turn stays as it was emitted."""

    markers = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
    stop = ("<|eot_id|>",)

    def begin(self, stream: Stream, chat: Chat) -> None:
        """The beginning of a text."""
        if chat.tools:
            raise RenderError("llama3 has no form for tools")
        stream.frame("<|begin_of_text|>")

    def message(self, stream: Stream, chat: Chat, i: int) -> None:
        """Header, trimmed text, end."""
        message = chat[i]
        if message.role in ("tool", "developer"):
            raise refuse(i, message, f"llama3 has no form for a {message.role} message")
        stream.frame(f"<|start_header_id|>{message.role}<|end_header_id|>\n\n")
        stream.text(only_text(i, message, "llama3").strip())
        stream.mark("<|eot_id|>")

    def open(self, stream: Stream, chat: Chat, role: Role) -> None:
        """The header."""
        stream.frame(f"<|start_header_id|>{role}<|end_header_id|>\n\n")

    def read(self, pieces: Sequence[Piece], tools: Sequence[ToolSpec]) -> Reply | Malformed:
        """The text, nothing trimmed."""
        return as_text(pieces)

    def settled(self, chat: Chat) -> int:
        """All: every turn stays as it was emitted."""
        return len(chat)


def llama3(*_: object) -> Llama3:
    """As the template of Llama 3 has it."""
    return Llama3()
