"""Qwen3 and Qwen3-VL: ChatML with reasoning in `<think>` and JSON tool calls in `<tool_call>`.

Earlier reasoning is dropped when a user message follows. The VL models take images in user and tool
messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from attrs import evolve, frozen

from tinker_core import Malformed, Message, RenderError, Reply, ToolSpec
from tinker_core.strict_json import to_json
from tinker_render.format.chat import Chat, closes_tool_block, last_user, opens_tool_block
from tinker_render.format.message_text import (
    reasoning_and_answer,
    refuse,
    refuse_reasoning,
    refuse_unparsed_calls,
    without_reasoning,
)
from tinker_render.images import Images
from tinker_render.parsing.turn import Notation, from_text, read_turn
from tinker_render.segments import NO_MESSAGE, SegmentWriter
from tinker_render.tokenizer.codec import Piece
from tinker_render.tools.json_calls import json_call, openai_tool, read_json_call

CONTROL_TOKENS = (
    *("<|im_start|>", "<|im_end|>", "<think>", "</think>"),
    *("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"),
)
VISION = ("<|vision_start|>", "<|vision_end|>")
NO_REASONING = "<think>\n\n</think>\n\n"

_BEFORE_TOOLS = (
    "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>"
)
_AFTER_TOOLS = (
    "\n</tools>\n\nFor each function call, return a json object with function name and arguments"
    " within <tool_call></tool_call> XML tags:\n<tool_call>\n"
    '{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>'
)


@frozen
class Qwen3:
    """The hybrid models, with or without reasoning, and the instruct models, which have none."""

    thinking: Literal["on", "off", "never"]
    images: Images | None = None
    """The format of images; None for models without vision."""
    stop = ("<|im_end|>",)

    @property
    def control_tokens(self) -> tuple[str, ...]:
        """The control tokens; those around images only for models with vision."""
        return CONTROL_TOKENS if self.images is None else (*CONTROL_TOKENS, *VISION)

    def begin(self, writer: SegmentWriter, chat: Chat) -> None:
        """Write the system message with its text and the tools."""
        said = chat[0].role == "system"
        if not said and not chat.tools:
            return
        writer.start(0 if said else NO_MESSAGE, sampled=False)
        writer.header("<|im_start|>system\n")
        if said:
            writer.text(without_reasoning(0, chat[0], "qwen3"))
        if chat.tools:
            writer.header("\n\n" if said else "")
            writer.header(_BEFORE_TOOLS)
            for tool in chat.tools:
                writer.header_text("\n" + to_json(openai_tool(tool)))
            writer.header(_AFTER_TOOLS)
        writer.markup("<|im_end|>")
        writer.header("\n")

    def message(self, writer: SegmentWriter, chat: Chat, i: int) -> None:
        """Write header, content and end; adjacent tool results share one user message."""
        message = chat[i]
        match message.role:
            case "assistant":
                self._assistant(writer, chat, i)
            case "tool":
                self._tool_result(writer, chat, i)
            case "system" if i == 0:
                pass
            case "user" | "system" if message.role == "user" or self.images is None:
                writer.header(f"<|im_start|>{message.role}\n")
                self._text_and_images(writer, i, message)
                writer.markup("<|im_end|>")
                writer.header("\n")
            case role:
                raise refuse(i, message, f"qwen3 has no form for a {role} message here")

    def read(self, pieces: Sequence[Piece], tools: Sequence[ToolSpec]) -> Reply | Malformed:
        """Read reasoning and text without the newlines around them."""
        think = None if self.thinking == "never" else ("<think>", "</think>")
        call = ("<tool_call>", "</tool_call>")
        turn = read_turn(
            pieces, Notation(think=think, call=call, read_call=from_text(read_json_call))
        )
        text = turn.text if turn.thinking is None else turn.text.lstrip("\n")
        if turn.calls or turn.unparsed:
            text = text.removesuffix("\n")
        thinking = None if turn.thinking is None else turn.thinking.strip("\n")
        return evolve(turn, thinking=thinking, text=text).outcome()

    def stable_prefix(self, chat: Chat) -> int:
        """The messages before the last user message: later ones lose their reasoning."""
        return len(chat) if self.thinking == "never" else max(chat.cached(last_user), 0)

    def _assistant(self, writer: SegmentWriter, chat: Chat, i: int) -> None:
        message = chat[i]
        reasoning, answer = self._reasoning_and_answer(i, message)
        current, last = 0 <= chat.cached(last_user) < i, i == len(chat) - 1
        if last and self.thinking == "off" and reasoning:
            raise refuse_reasoning(i, message, "qwen3_disable_thinking")
        if self.thinking == "off" and chat.cached(last_user) < 0:
            raise RenderError("qwen3_disable_thinking needs a user message")
        writer.header("<|im_start|>assistant\n")
        if self.thinking != "never" and current and (reasoning or last):
            answer = answer.lstrip("\n")
            if self.thinking == "off" and not reasoning:
                writer.header(NO_REASONING)
            else:
                writer.markup("<think>\n")
                writer.text(reasoning.strip("\n"))
                writer.markup("\n</think>\n\n")
        writer.text(answer)
        write_calls(writer, i, message, answer)
        writer.markup("<|im_end|>")
        writer.header("\n")

    def _text_and_images(self, writer: SegmentWriter, i: int, message: Message) -> None:
        if self.images is None:
            writer.text(without_reasoning(i, message, "qwen3"))
        else:
            self.images.write(writer, i, message)

    def _tool_result(self, writer: SegmentWriter, chat: Chat, i: int) -> None:
        if opens_tool_block(chat, i):
            writer.header("<|im_start|>user")
        writer.header("\n<tool_response>\n")
        self._text_and_images(writer, i, chat[i])
        writer.header("\n</tool_response>")
        if closes_tool_block(chat, i):
            writer.markup("<|im_end|>")
            writer.header("\n")

    def _reasoning_and_answer(self, i: int, message: Message) -> tuple[str, str]:
        if self.thinking == "never":
            return "", without_reasoning(i, message, "qwen3_instruct")
        return reasoning_and_answer(i, message, "qwen3")


def write_calls(writer: SegmentWriter, i: int, message: Message, text: str) -> None:
    """Write the tool calls of a message behind its text."""
    refuse_unparsed_calls(i, message)
    for n, call in enumerate(message.tool_calls):
        writer.markup("\n<tool_call>\n" if text or n > 0 else "<tool_call>\n")
        writer.text(json_call(i, message, call))
        writer.markup("\n</tool_call>")


def thinking(*_: object) -> Qwen3:
    """The hybrid models with reasoning."""
    return Qwen3("on")


def disable_thinking(*_: object) -> Qwen3:
    """The hybrid models without reasoning."""
    return Qwen3("off")


def instruct(*_: object) -> Qwen3:
    """The Instruct-2507 models, which have no reasoning."""
    return Qwen3("never")


def vl(_: object, image_processor: Any) -> Qwen3:
    """The VL models with reasoning."""
    return Qwen3("on", Images("qwen3_vl", VISION, image_processor))


def vl_instruct(_: object, image_processor: Any) -> Qwen3:
    """The VL models without reasoning."""
    return Qwen3("never", Images("qwen3_vl_instruct", VISION, image_processor))
