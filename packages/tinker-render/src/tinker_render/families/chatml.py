"""ChatML: `<|im_start|>role`, a newline, the text, `<|im_end|>`."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from tinker_core import Malformed, RenderError, Reply, Role, ToolSpec
from tinker_render.format.chat import Chat
from tinker_render.format.message_text import only_text
from tinker_render.parsing.turn import as_text
from tinker_render.segments import Stream
from tinker_render.tokenizer.codec import Piece

SMOLLM2_SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"


@frozen
class ChatML:
    """Text only; every turn stays as it was emitted."""

    default_system: str | None
    """Written before a conversation that does not begin with a system message."""
    markers = ("<|im_start|>", "<|im_end|>")
    stop = ("<|im_end|>",)

    def begin(self, stream: Stream, chat: Chat) -> None:
        """The default system prompt where the chat has none."""
        if chat.tools:
            raise RenderError("chatml has no form for tools")
        if self.default_system is not None and chat[0].role != "system":
            stream.frame("<|im_start|>system\n")
            stream.text(self.default_system)
            stream.frame("<|im_end|>\n")

    def message(self, stream: Stream, chat: Chat, i: int) -> None:
        """Header, text, end; a newline between messages."""
        stream.frame(f"<|im_start|>{chat[i].role}\n")
        stream.text(only_text(i, chat[i], "chatml"))
        stream.mark("<|im_end|>")
        stream.frame("\n")

    def open(self, stream: Stream, chat: Chat, role: Role) -> None:
        """The header."""
        stream.frame(f"<|im_start|>{role}\n")

    def read(self, pieces: Sequence[Piece], tools: Sequence[ToolSpec]) -> Reply | Malformed:
        """The text, nothing trimmed."""
        return as_text(pieces)

    def settled(self, chat: Chat) -> int:
        """All: every turn stays as it was emitted."""
        return len(chat)


def smollm2(*_: object) -> ChatML:
    """As SmolLM2's template has it, with its default system prompt."""
    return ChatML(SMOLLM2_SYSTEM)


def plain(*_: object) -> ChatML:
    """Nothing added to the messages."""
    return ChatML(None)
