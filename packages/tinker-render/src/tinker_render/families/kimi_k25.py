"""Kimi K2.5 and K2.6: Kimi K2 with reasoning opened by the prompt, images and TypeScript tools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import evolve, frozen

from tinker_core import DataError, Malformed, Reply, ToolSpec
from tinker_render.families.kimi_k2 import (
    CONTROL_TOKENS,
    NOTATION,
    declare_tools,
    tools_as_json,
    write_calls,
    write_header,
    write_return,
)
from tinker_render.format.chat import Chat, last_finished_answer
from tinker_render.format.message_text import reasoning_and_answer, refuse_reasoning
from tinker_render.images import Images
from tinker_render.parsing.turn import read_turn
from tinker_render.segments import SegmentWriter
from tinker_render.tokenizer.codec import Piece
from tinker_render.tools.kimi_typescript import namespace

_MEDIA = ("<|media_begin|>image<|media_content|>", "<|media_end|>\n")


@frozen(kw_only=True)
class KimiK25:
    """Unlike K2, it has no default system prompt. Every turn has a block of reasoning."""

    images: Images
    thinks: bool = True
    preserves: bool = False
    """True if finished turns keep their reasoning."""
    control_tokens = (*CONTROL_TOKENS, "<|media_begin|>", "<|media_content|>", "<|media_end|>")
    stop = ("<|im_end|>",)

    def begin(self, writer: SegmentWriter, chat: Chat) -> None:
        """Write the tools."""
        if chat.tools:
            declare_tools(writer, _declarations(chat.tools))

    def message(self, writer: SegmentWriter, chat: Chat, i: int) -> None:
        """Write header, reasoning, text, images and end."""
        message = chat[i]
        write_header(writer, message.role, message.name)
        if message.role == "assistant":
            self._assistant(writer, chat, i)
            write_calls(writer, chat, i)
        else:
            write_return(writer, chat, i)
            self.images.write(writer, i, message)
        writer.markup("<|im_end|>")

    def read(self, pieces: Sequence[Piece], tools: Sequence[ToolSpec]) -> Reply | Malformed:
        """Read reasoning, text and calls, without trimming."""
        return read_turn(pieces, evolve(NOTATION, opened=self.thinks)).outcome()

    def stable_prefix(self, chat: Chat) -> int:
        """The messages up to the last finished answer; all if earlier reasoning is kept."""
        return len(chat) if self.preserves else chat.cached(last_finished_answer) + 1

    def _assistant(self, writer: SegmentWriter, chat: Chat, i: int) -> None:
        message = chat[i]
        reasoning, answer = reasoning_and_answer(i, message, self.images.family)
        if reasoning and i == len(chat) - 1 and not self.thinks:
            raise refuse_reasoning(i, message, self.images.family)
        if not self.preserves and i <= chat.cached(last_finished_answer):
            reasoning = ""
        if self.thinks:
            writer.header("<think>")
            writer.text(reasoning)
            writer.markup("</think>")
        elif reasoning:
            writer.markup("<think>")
            writer.text(reasoning)
            writer.markup("</think>")
        else:
            writer.header("<think></think>")
        writer.text(answer)


def _declarations(tools: Sequence[ToolSpec]) -> str:
    """TypeScript, or JSON for a schema that has no TypeScript form, as in Moonshot's tokenizer."""
    try:
        return namespace(tools)
    except DataError:
        return tools_as_json(tools)


def _images(family: str, image_processor: Any) -> Images:
    return Images(family, _MEDIA, image_processor)


def kimi_k25(_: object, image_processor: Any) -> KimiK25:
    """With reasoning; earlier reasoning is dropped."""
    return KimiK25(images=_images("kimi_k25", image_processor))


def kimi_k25_disable_thinking(_: object, image_processor: Any) -> KimiK25:
    """Without reasoning."""
    return KimiK25(images=_images("kimi_k25_disable_thinking", image_processor), thinks=False)


def kimi_k26(_: object, image_processor: Any) -> KimiK25:
    """With reasoning; earlier reasoning is dropped."""
    return KimiK25(images=_images("kimi_k26", image_processor))


def kimi_k26_disable_thinking(_: object, image_processor: Any) -> KimiK25:
    """Without reasoning."""
    return KimiK25(images=_images("kimi_k26_disable_thinking", image_processor), thinks=False)


def kimi_k26_preserve_thinking(_: object, image_processor: Any) -> KimiK25:
    """With reasoning; earlier turns keep it."""
    return KimiK25(images=_images("kimi_k26_preserve_thinking", image_processor), preserves=True)
