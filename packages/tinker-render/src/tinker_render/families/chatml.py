"""ChatML: `<|im_start|>role`, a newline, the text, `<|im_end|>`."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from tinker_core import Malformed, Reply, ToolSpec
from tinker_render.format.chat import Chat
from tinker_render.format.message_text import only_text, refuse_tools
from tinker_render.parsing.turn import text_reply
from tinker_render.segments import SegmentWriter
from tinker_render.tokenizer.codec import Piece

SMOLLM2_SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"


@frozen
class ChatML:
    """Text only. Earlier turns are never rewritten."""

    default_system: str | None
    """Written in front of a conversation without a system message."""
    control_tokens = ("<|im_start|>", "<|im_end|>")
    stop = ("<|im_end|>",)

    def begin(self, writer: SegmentWriter, chat: Chat) -> None:
        """Write the default system prompt if the chat has no system message."""
        if chat.tools:
            raise refuse_tools("chatml")
        if self.default_system is not None and chat[0].role != "system":
            writer.header("<|im_start|>system\n")
            writer.text(self.default_system)
            writer.header("<|im_end|>\n")

    def message(self, writer: SegmentWriter, chat: Chat, i: int) -> None:
        """Write header, text and end; a newline separates messages."""
        writer.header(f"<|im_start|>{chat[i].role}\n")
        writer.text(only_text(i, chat[i], "chatml"))
        writer.markup("<|im_end|>")
        writer.header("\n")

    def read(self, pieces: Sequence[Piece], tools: Sequence[ToolSpec]) -> Reply | Malformed:
        """Read the text without trimming it."""
        return text_reply(pieces)

    def stable_prefix(self, chat: Chat) -> int:
        """All messages."""
        return len(chat)


def smollm2(*_: object) -> ChatML:
    """The format of SmolLM2, with its default system prompt."""
    return ChatML(SMOLLM2_SYSTEM)


def plain(*_: object) -> ChatML:
    """ChatML without a default system prompt."""
    return ChatML(None)
