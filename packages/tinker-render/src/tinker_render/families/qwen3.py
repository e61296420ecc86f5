"""Qwen3 and Qwen3-VL: ChatML with reasoning in `<think>` and JSON tool calls in `<tool_call>`.

Reasoning stays in the conversation until the user speaks again; then it is dropped. The VL models
see images of users and tools.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from attrs import evolve, frozen

from tinker_core import Malformed, Message, RenderError, Reply, Role, ToolSpec
from tinker_render.format.chat import Chat, last_user
from tinker_render.format.message_text import (
    reasoning_and_answer,
    refuse,
    without_reasoning,
)
from tinker_render.images import Images
from tinker_render.parsing.turn import Notation, read_turn
from tinker_render.segments import NO_MESSAGE, Stream
from tinker_render.tokenizer.codec import Piece
from tinker_render.tools.json_calls import json_call, openai_tool, read_json_call, to_json

MARKERS = (
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
    """The hybrid models, thinking or not, and the instruct models, which never think."""

    thinking: Literal["on", "off", "never"]
    images: Images | None = None
    """How images are written; None where the model sees none."""
    stop = ("<|im_end|>",)

    @property
    def markers(self) -> tuple[str, ...]:
        """Those around images where the model sees them."""
        return MARKERS if self.images is None else (*MARKERS, *VISION)

    def begin(self, stream: Stream, chat: Chat) -> None:
        """The system's message, and the tools within it."""
        said = chat[0].role == "system"
        if not said and not chat.tools:
            return
        stream.turn(0 if said else NO_MESSAGE, sampled=False)
        stream.frame("<|im_start|>system\n")
        if said:
            stream.text(without_reasoning(0, chat[0], "qwen3"))
        if chat.tools:
            stream.frame("\n\n" if said else "")
            stream.frame(_BEFORE_TOOLS)
            for tool in chat.tools:
                stream.aside("\n" + to_json(openai_tool(tool)))
            stream.frame(_AFTER_TOOLS)
        stream.mark("<|im_end|>")
        stream.frame("\n")

    def message(self, stream: Stream, chat: Chat, i: int) -> None:
        """Header, text, end; answers of tools within one message of the user."""
        message = chat[i]
        match message.role:
            case "assistant":
                self._assistant(stream, chat, i)
            case "tool":
                self._tool_answer(stream, chat, i)
            case "system" if i == 0:
                pass
            case "user" | "system" if message.role == "user" or self.images is None:
                stream.frame(f"<|im_start|>{message.role}\n")
                self._said_by_others(stream, i, message)
                stream.mark("<|im_end|>")
                stream.frame("\n")
            case role:
                raise refuse(i, message, f"qwen3 has no form for a {role} message here")

    def open(self, stream: Stream, chat: Chat, role: Role) -> None:
        """The header, and the closed block of reasoning where thinking is off."""
        stream.frame(f"<|im_start|>{role}\n")
        if self.thinking == "off" and role == "assistant":
            if chat.once(last_user) < 0:
                raise RenderError("qwen3_disable_thinking needs a message of the user")
            stream.frame(NO_REASONING)

    def read(self, pieces: Sequence[Piece], tools: Sequence[ToolSpec]) -> Reply | Malformed:
        """Reasoning and text without the newlines that bound them."""
        think = None if self.thinking == "never" else ("<think>", "</think>")
        call = ("<tool_call>", "</tool_call>")
        turn = read_turn(pieces, Notation(think=think, call=call, read_call=read_json_call))
        text = turn.text if turn.thinking is None else turn.text.lstrip("\n")
        if turn.calls or turn.unparsed:
            text = text.removesuffix("\n")
        thinking = None if turn.thinking is None else turn.thinking.strip("\n")
        return evolve(turn, thinking=thinking, text=text).outcome()

    def settled(self, chat: Chat) -> int:
        """Those before the user's last, if what follows that loses its reasoning."""
        return len(chat) if self.thinking == "never" else max(chat.once(last_user), 0)

    def _assistant(self, stream: Stream, chat: Chat, i: int) -> None:
        message = chat[i]
        reasoning, answer = self._said(i, message)
        current = 0 <= chat.once(last_user) < i
        if current and self.thinking == "off" and reasoning:
            raise refuse(i, message, "qwen3_disable_thinking has no form for reasoning")
        if self.thinking == "off" and chat.once(last_user) < 0:
            raise RenderError("qwen3_disable_thinking needs a message of the user")
        stream.frame("<|im_start|>assistant\n")
        if self.thinking != "never" and current and (reasoning or i == len(chat) - 1):
            answer = answer.lstrip("\n")
            if self.thinking == "off":
                stream.frame(NO_REASONING)
            else:
                stream.mark("<think>\n")
                stream.text(reasoning.strip("\n"))
                stream.mark("\n</think>\n\n")
        stream.text(answer)
        write_calls(stream, i, message, answer)
        stream.mark("<|im_end|>")
        stream.frame("\n")

    def _said_by_others(self, stream: Stream, i: int, message: Message) -> None:
        if self.images is None:
            stream.text(without_reasoning(i, message, "qwen3"))
        else:
            self.images.write(stream, i, message)

    def _tool_answer(self, stream: Stream, chat: Chat, i: int) -> None:
        """Answers in a row share one message of the user."""
        if i == 0 or chat[i - 1].role != "tool":
            stream.frame("<|im_start|>user")
        stream.frame("\n<tool_response>\n")
        self._said_by_others(stream, i, chat[i])
        stream.frame("\n</tool_response>")
        if i == len(chat) - 1 or chat[i + 1].role != "tool":
            stream.mark("<|im_end|>")
            stream.frame("\n")

    def _said(self, i: int, message: Message) -> tuple[str, str]:
        if self.thinking == "never":
            return "", without_reasoning(i, message, "qwen3_instruct")
        return reasoning_and_answer(i, message, "qwen3")


def write_calls(stream: Stream, i: int, message: Message, text: str) -> None:
    """The message's tool calls after its text."""
    if message.unparsed_tool_calls:
        raise refuse(i, message, "a tool call that could not be parsed")
    for n, call in enumerate(message.tool_calls):
        stream.mark("\n<tool_call>\n" if text or n > 0 else "<tool_call>\n")
        stream.text(json_call(i, message, call))
        stream.mark("\n</tool_call>")


def thinking(*_: object) -> Qwen3:
    """A hybrid model that thinks."""
    return Qwen3("on")


def disable_thinking(*_: object) -> Qwen3:
    """A hybrid model that does not."""
    return Qwen3("off")


def instruct(*_: object) -> Qwen3:
    """The models of 2507, which never think."""
    return Qwen3("never")


def vl(_: object, image_processor: Any) -> Qwen3:
    """A VL model that thinks."""
    return Qwen3("on", Images("qwen3_vl", VISION, image_processor))


def vl_instruct(_: object, image_processor: Any) -> Qwen3:
    """The VL models that never think."""
    return Qwen3("never", Images("qwen3_vl_instruct", VISION, image_processor))
