"""Llama 3 Instruct: `<|start_header_id|>role<|end_header_id|>`, a blank line, trimmed text.

The templates of 3.1 and later begin with a knowledge cutoff and the date of today; this format does
not. Their tool calls are bare JSON, which a parser cannot tell from an answer: tools are refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from tinker_core import Malformed, Reply, ToolSpec
from tinker_render.format.chat import Chat
from tinker_render.format.message_text import only_text, refuse, refuse_tools
from tinker_render.parsing.turn import text_reply
from tinker_render.segments import SegmentWriter
from tinker_render.tokenizer.codec import Piece


@frozen
class Llama3:
    """Text only. Earlier turns are never rewritten."""

    control_tokens = (
        *("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    )
    stop = ("<|eot_id|>",)

    def begin(self, writer: SegmentWriter, chat: Chat) -> None:
        """Write the BOS token."""
        if chat.tools:
            raise refuse_tools("llama3")
        writer.header("<|begin_of_text|>")

    def message(self, writer: SegmentWriter, chat: Chat, i: int) -> None:
        """Write header, trimmed text and end."""
        message = chat[i]
        if message.role in ("tool", "developer"):
            raise refuse(i, message, f"llama3 has no form for a {message.role} message")
        writer.header(f"<|start_header_id|>{message.role}<|end_header_id|>\n\n")
        writer.text(only_text(i, message, "llama3").strip())
        writer.markup("<|eot_id|>")

    def read(self, pieces: Sequence[Piece], tools: Sequence[ToolSpec]) -> Reply | Malformed:
        """Read the text without trimming it."""
        return text_reply(pieces)

    def stable_prefix(self, chat: Chat) -> int:
        """All messages."""
        return len(chat)


def llama3(*_: object) -> Llama3:
    """The format of Llama 3."""
    return Llama3()
