"""Qwen3.5, 3.6 and 3.8: Qwen3 with an opened block of reasoning and XML tool calls.

The prompt opens `<think>`, so every message of the assistant since the user spoke has one. Their
templates trim what people, tools and models say.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from attrs import evolve, frozen

from tinker_core import Malformed, Message, RenderError, Reply, Role, ToolSpec
from tinker_render.families.qwen3 import MARKERS, NO_REASONING
from tinker_render.format.chat import Chat, last_user
from tinker_render.format.message_text import (
    reasoning_and_answer,
    refuse,
    without_reasoning,
)
from tinker_render.parsing.turn import Notation, read_turn
from tinker_render.segments import NO_MESSAGE, Stream
from tinker_render.tokenizer.codec import Piece
from tinker_render.tools.json_calls import openai_tool, to_json
from tinker_render.tools.xml_calls import EXAMPLE, read_xml_call, xml_call

_BEFORE_TOOLS = "# Tools\n\nYou have access to the following functions:\n\n<tools>"
_EFFORT = {
    "xhigh": "Reasoning effort is set to xhigh. Please think carefully through the task, validate"
    " key assumptions, consider plausible alternatives, and prioritize correctness, consistency,"
    " and clarity in the final answer.",
    "medium": "",
    "low": "Reasoning effort is set to low. Keep your thinking brief and focused, moving directly"
    " to the conclusion without unnecessary elaboration.",
}


@frozen(kw_only=True)
class Qwen35:
    """One format for three generations."""

    family: str
    thinks: bool
    keeps_reasoning: bool = False
    """Whether earlier turns keep their reasoning once the user speaks again."""
    python_words: bool = False
    """Whether a call's scalars are written as Python does."""
    instruction: str = ""
    """What stands before the system's own message."""
    empty_system: bool = True
    """Whether a system message without text is written."""
    markers = MARKERS
    stop = ("<|im_end|>",)

    def begin(self, stream: Stream, chat: Chat) -> None:
        """The system's message: tools before its text."""
        self._last_user(chat)
        said = chat[0].role == "system"
        text = without_reasoning(0, chat[0], self.family).strip() if said else ""
        if not (text or chat.tools or self.instruction or (said and self.empty_system)):
            return
        stream.turn(0 if said else NO_MESSAGE, sampled=False)
        stream.frame("<|im_start|>system\n")
        stream.frame(self.instruction)
        if chat.tools:
            stream.frame("\n\n" if self.instruction else "")
            stream.frame(_BEFORE_TOOLS)
            for tool in chat.tools:
                stream.aside("\n" + to_json(openai_tool(tool)))
            stream.frame(f"\n</tools>{EXAMPLE}")
        stream.frame("\n\n" if text and (chat.tools or self.instruction) else "")
        stream.text(text)
        stream.mark("<|im_end|>")
        stream.frame("\n")

    def message(self, stream: Stream, chat: Chat, i: int) -> None:
        """Header, text, end; answers of tools within one message of the user."""
        message = chat[i]
        match message.role:
            case "user":
                stream.frame("<|im_start|>user\n")
                stream.text(without_reasoning(i, message, self.family).strip())
                stream.mark("<|im_end|>")
                stream.frame("\n")
            case "assistant":
                self._assistant(stream, chat, i)
            case "tool":
                self._tool_answer(stream, chat, i)
            case "system" if i == 0:
                pass
            case role:
                raise refuse(i, message, f"{self.family} has no {role} message here")

    def open(self, stream: Stream, chat: Chat, role: Role) -> None:
        """The header and `<think>`, opened or closed at once."""
        stream.frame(f"<|im_start|>{role}\n")
        if role == "assistant":
            stream.frame("<think>\n" if self.thinks else NO_REASONING)

    def read(self, pieces: Sequence[Piece], tools: Sequence[ToolSpec]) -> Reply | Malformed:
        """Reasoning and text trimmed."""
        notation = Notation(
            think=("<think>", "</think>"),
            opened=self.thinks,
            call=("<tool_call>", "</tool_call>"),
            read_call=partial(read_xml_call, tools=tools),
        )
        turn = read_turn(pieces, notation)
        thinking = None if turn.thinking is None else turn.thinking.strip()
        return evolve(turn, thinking=thinking, text=turn.text.strip()).outcome()

    def settled(self, chat: Chat) -> int:
        """Those before the user's last, if what follows that loses its reasoning."""
        return len(chat) if self.keeps_reasoning else self._last_user(chat)

    def _last_user(self, chat: Chat) -> int:
        if chat.once(last_user) < 0:
            raise RenderError(f"{self.family} needs a message of the user")
        return chat.once(last_user)

    def _assistant(self, stream: Stream, chat: Chat, i: int) -> None:
        message = chat[i]
        reasoning, answer = (text.strip() for text in reasoning_and_answer(i, message, self.family))
        current = i > self._last_user(chat)
        stream.frame("<|im_start|>assistant\n")
        if current or self.keeps_reasoning:
            if self.thinks:
                stream.frame("<think>\n")
                stream.text(reasoning)
                stream.mark("\n</think>\n\n")
            elif reasoning and current:
                raise refuse(i, message, f"{self.family} has no form for reasoning")
            elif reasoning:
                stream.mark("<think>\n")
                stream.text(reasoning)
                stream.mark("\n</think>\n\n")
            else:
                stream.frame(NO_REASONING)
        stream.text(answer)
        self._calls(stream, i, message, answer)
        stream.mark("<|im_end|>")
        stream.frame("\n")

    def _calls(self, stream: Stream, i: int, message: Message, answer: str) -> None:
        if message.unparsed_tool_calls:
            raise refuse(i, message, "a tool call that could not be parsed")
        for n, call in enumerate(message.tool_calls):
            before = "\n" if n > 0 else "\n\n" if answer else ""
            stream.mark(f"{before}<tool_call>\n")
            stream.text(xml_call(i, message, call, python_words=self.python_words))
            stream.mark("\n</tool_call>")

    def _tool_answer(self, stream: Stream, chat: Chat, i: int) -> None:
        if i > 0 and chat[i - 1].role != "tool":
            stream.frame("<|im_start|>user")
        stream.frame("\n<tool_response>\n")
        stream.text(without_reasoning(i, chat[i], self.family).strip())
        stream.frame("\n</tool_response>")
        if i == len(chat) - 1 or chat[i + 1].role != "tool":
            stream.mark("<|im_end|>")
            stream.frame("\n")


def qwen3_5(*_: object) -> Qwen35:
    """Thinking."""
    return Qwen35(family="qwen3_5", thinks=True, python_words=True)


def qwen3_5_disable_thinking(*_: object) -> Qwen35:
    """Not thinking."""
    return Qwen35(family="qwen3_5_disable_thinking", thinks=False, python_words=True)


def qwen3_6(*_: object) -> Qwen35:
    """Thinking; calls hold JSON."""
    return Qwen35(family="qwen3_6", thinks=True)


def qwen3_6_disable_thinking(*_: object) -> Qwen35:
    """Not thinking; calls hold JSON."""
    return Qwen35(family="qwen3_6_disable_thinking", thinks=False)


def _qwen3_8(effort: str) -> Qwen35:
    return Qwen35(
        family="qwen3_8",
        thinks=True,
        keeps_reasoning=True,
        instruction=_EFFORT[effort],
        empty_system=False,
    )


def qwen3_8_xhigh(*_: object) -> Qwen35:
    """Thinking as long as it takes, which is the model's default."""
    return _qwen3_8("xhigh")


def qwen3_8_medium(*_: object) -> Qwen35:
    """Thinking."""
    return _qwen3_8("medium")


def qwen3_8_low(*_: object) -> Qwen35:
    """Thinking briefly."""
    return _qwen3_8("low")


def qwen3_8_disable_thinking(*_: object) -> Qwen35:
    """Not thinking."""
    return Qwen35(
        family="qwen3_8_disable_thinking", thinks=False, keeps_reasoning=True, empty_system=False
    )
