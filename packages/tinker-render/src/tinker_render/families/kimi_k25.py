"""Kimi K2.5 and K2.6: Kimi K2 with the reasoning opened by the prompt, images, TypeScript tools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import evolve, frozen

from tinker_core import Malformed, Reply, Role, ToolSpec
from tinker_render.families.kimi_k2 import (
    MARKERS,
    NOTATION,
    declare_tools,
    write_calls,
    write_header,
    write_return,
)
from tinker_render.format.chat import Chat, last_finished_answer
from tinker_render.format.message_text import reasoning_and_answer, refuse
from tinker_render.images import Images
from tinker_render.parsing.turn import read_turn
from tinker_render.segments import Stream
from tinker_render.tokenizer.codec import Piece
from tinker_render.tools.kimi_typescript import namespace

_MEDIA = ("<|media_begin|>image<|media_content|>", "<|media_end|>\n")


@frozen(kw_only=True)
class KimiK25:
    """No default system prompt, other than K2; reasoning in every turn, if only empty."""

    images: Images
    thinks: bool = True
    preserves: bool = False
    """Whether finished turns keep their reasoning."""
    markers = (*MARKERS, "<|media_begin|>", "<|media_content|>", "<|media_end|>")
    stop = ("<|im_end|>",)

    def begin(self, stream: Stream, chat: Chat) -> None:
        """Tools."""
        if chat.tools:
            declare_tools(stream, namespace(chat.tools))

    def message(self, stream: Stream, chat: Chat, i: int) -> None:
        """Header, text and images, end."""
        message = chat[i]
        write_header(stream, message.role, message.name)
        if message.role == "assistant":
            self._assistant(stream, chat, i)
            write_calls(stream, chat, i)
        else:
            write_return(stream, chat, i)
            self.images.write(stream, i, message)
        stream.mark("<|im_end|>")

    def open(self, stream: Stream, chat: Chat, role: Role) -> None:
        """The header and `<think>`, opened or closed at once."""
        write_header(stream, role, None)
        if role == "assistant":
            stream.frame("<think>" if self.thinks else "<think></think>")

    def read(self, pieces: Sequence[Piece], tools: Sequence[ToolSpec]) -> Reply | Malformed:
        """Reasoning, text, calls; nothing trimmed."""
        return read_turn(pieces, evolve(NOTATION, opened=self.thinks)).outcome()

    def settled(self, chat: Chat) -> int:
        """Up to the last finished answer, if what follows that loses its reasoning."""
        return len(chat) if self.preserves else chat.once(last_finished_answer) + 1

    def _assistant(self, stream: Stream, chat: Chat, i: int) -> None:
        message = chat[i]
        reasoning, answer = reasoning_and_answer(i, message, self.images.family)
        if reasoning and i == len(chat) - 1 and not self.thinks:
            raise refuse(i, message, f"{self.images.family} has no form for reasoning")
        if not self.preserves and i <= chat.once(last_finished_answer):
            reasoning = ""
        if self.thinks:
            stream.frame("<think>")
            stream.text(reasoning)
            stream.mark("</think>")
        elif reasoning:
            stream.mark("<think>")
            stream.text(reasoning)
            stream.mark("</think>")
        else:
            stream.frame("<think></think>")
        stream.text(answer)


def _images(family: str, image_processor: Any) -> Images:
    return Images(family, _MEDIA, image_processor)


def kimi_k25(_: object, image_processor: Any) -> KimiK25:
    """Thinking; earlier reasoning is dropped."""
    return KimiK25(images=_images("kimi_k25", image_processor))


def kimi_k25_disable_thinking(_: object, image_processor: Any) -> KimiK25:
    """Not thinking."""
    return KimiK25(images=_images("kimi_k25_disable_thinking", image_processor), thinks=False)


def kimi_k26(_: object, image_processor: Any) -> KimiK25:
    """Thinking; earlier reasoning is dropped."""
    return KimiK25(images=_images("kimi_k26", image_processor))


def kimi_k26_disable_thinking(_: object, image_processor: Any) -> KimiK25:
    """Not thinking."""
    return KimiK25(images=_images("kimi_k26_disable_thinking", image_processor), thinks=False)


def kimi_k26_preserve_thinking(_: object, image_processor: Any) -> KimiK25:
    """Thinking, and earlier turns keep it."""
    return KimiK25(images=_images("kimi_k26_preserve_thinking", image_processor), preserves=True)
