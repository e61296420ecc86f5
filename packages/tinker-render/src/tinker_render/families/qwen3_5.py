"""Qwen3.5, 3.6 and 3.8: Qwen3 with reasoning opened by the prompt and XML tool calls.

The prompt opens `<think>`, so every assistant message behind the last user message has a block of
reasoning. The templates trim all texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from attrs import evolve, frozen

from tinker_core import Malformed, Message, RenderError, Reply, ToolSpec
from tinker_core.strict_json import to_json
from tinker_render.families.qwen3 import CONTROL_TOKENS, NO_REASONING
from tinker_render.format.chat import Chat, closes_tool_block, last_user, opens_tool_block
from tinker_render.format.message_text import (
    reasoning_and_answer,
    refuse,
    refuse_reasoning,
    refuse_unparsed_calls,
    without_reasoning,
)
from tinker_render.parsing.turn import Notation, from_text, read_turn
from tinker_render.segments import NO_MESSAGE, SegmentWriter
from tinker_render.tokenizer.codec import Piece
from tinker_render.tools.arguments import WriteValue, write_json, write_python
from tinker_render.tools.json_calls import openai_tool
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
    """The format of three generations of models."""

    family: str
    thinks: bool
    keeps_reasoning: bool = False
    """True if earlier turns keep their reasoning when a user message follows."""
    write_value: WriteValue = write_json
    """The format of the values of arguments."""
    instruction: str = ""
    """Written in front of the text of the system message."""
    empty_system: bool = True
    """True if a system message without text is written."""
    control_tokens = CONTROL_TOKENS
    stop = ("<|im_end|>",)

    def begin(self, writer: SegmentWriter, chat: Chat) -> None:
        """Write the system message, tools in front of its text."""
        self._last_user(chat)
        said = chat[0].role == "system"
        text = without_reasoning(0, chat[0], self.family).strip() if said else ""
        if not (text or chat.tools or self.instruction or (said and self.empty_system)):
            return
        writer.start(0 if said else NO_MESSAGE, sampled=False)
        writer.header("<|im_start|>system\n")
        writer.header(self.instruction)
        if chat.tools:
            writer.header("\n\n" if self.instruction else "")
            writer.header(_BEFORE_TOOLS)
            for tool in chat.tools:
                writer.header_text("\n" + to_json(openai_tool(tool)))
            writer.header(f"\n</tools>{EXAMPLE}")
        writer.header("\n\n" if text and (chat.tools or self.instruction) else "")
        writer.text(text)
        writer.markup("<|im_end|>")
        writer.header("\n")

    def message(self, writer: SegmentWriter, chat: Chat, i: int) -> None:
        """Write header, content and end; adjacent tool results share one user message."""
        message = chat[i]
        match message.role:
            case "user":
                writer.header("<|im_start|>user\n")
                writer.text(without_reasoning(i, message, self.family).strip())
                writer.markup("<|im_end|>")
                writer.header("\n")
            case "assistant":
                self._assistant(writer, chat, i)
            case "tool":
                self._tool_result(writer, chat, i)
            case "system" if i == 0:
                pass
            case role:
                raise refuse(i, message, f"{self.family} has no form for a {role} message here")

    def read(self, pieces: Sequence[Piece], tools: Sequence[ToolSpec]) -> Reply | Malformed:
        """Read reasoning and text, and trim both."""
        notation = Notation(
            think=("<think>", "</think>"),
            opened=self.thinks,
            call=("<tool_call>", "</tool_call>"),
            read_call=from_text(partial(read_xml_call, tools=tools, write=self.write_value)),
        )
        turn = read_turn(pieces, notation)
        thinking = None if turn.thinking is None else turn.thinking.strip()
        return evolve(turn, thinking=thinking, text=turn.text.strip()).outcome()

    def stable_prefix(self, chat: Chat) -> int:
        """The messages before the last user message; all if earlier reasoning is kept."""
        last = self._last_user(chat)
        return len(chat) if self.keeps_reasoning and self.thinks else last

    def _last_user(self, chat: Chat) -> int:
        if chat.cached(last_user) < 0:
            raise RenderError(f"{self.family} needs a user message")
        return chat.cached(last_user)

    def _assistant(self, writer: SegmentWriter, chat: Chat, i: int) -> None:
        message = chat[i]
        reasoning, answer = (text.strip() for text in reasoning_and_answer(i, message, self.family))
        current = i > self._last_user(chat)
        writer.header("<|im_start|>assistant\n")
        if reasoning and i == len(chat) - 1 and not self.thinks:
            raise refuse_reasoning(i, message, self.family)
        if current or self.keeps_reasoning:
            self._reasoning(writer, reasoning)
        writer.text(answer)
        self._calls(writer, i, message, answer)
        writer.markup("<|im_end|>")
        writer.header("\n")

    def _reasoning(self, writer: SegmentWriter, reasoning: str) -> None:
        if not self.thinks and not reasoning:
            writer.header(NO_REASONING)
            return
        (writer.header if self.thinks else writer.markup)("<think>\n")
        writer.text(reasoning)
        writer.markup("\n</think>\n\n")

    def _calls(self, writer: SegmentWriter, i: int, message: Message, answer: str) -> None:
        refuse_unparsed_calls(i, message)
        for n, call in enumerate(message.tool_calls):
            before = "\n" if n > 0 else "\n\n" if answer else ""
            writer.markup(f"{before}<tool_call>\n")
            writer.text(xml_call(i, message, call, self.write_value))
            writer.markup("\n</tool_call>")

    def _tool_result(self, writer: SegmentWriter, chat: Chat, i: int) -> None:
        if i > 0 and opens_tool_block(chat, i):  # the template has no header for a first message
            writer.header("<|im_start|>user")
        writer.header("\n<tool_response>\n")
        writer.text(without_reasoning(i, chat[i], self.family).strip())
        writer.header("\n</tool_response>")
        if closes_tool_block(chat, i):
            writer.markup("<|im_end|>")
            writer.header("\n")


def qwen3_5(*_: object) -> Qwen35:
    """With reasoning."""
    return Qwen35(family="qwen3_5", thinks=True, write_value=write_python)


def qwen3_5_disable_thinking(*_: object) -> Qwen35:
    """Without reasoning."""
    return Qwen35(family="qwen3_5_disable_thinking", thinks=False, write_value=write_python)


def qwen3_6(*_: object) -> Qwen35:
    """With reasoning; argument values are JSON."""
    return Qwen35(family="qwen3_6", thinks=True)


def qwen3_6_disable_thinking(*_: object) -> Qwen35:
    """Without reasoning; argument values are JSON."""
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
    """With very high reasoning effort, the default of the model."""
    return _qwen3_8("xhigh")


def qwen3_8_medium(*_: object) -> Qwen35:
    """With reasoning."""
    return _qwen3_8("medium")


def qwen3_8_low(*_: object) -> Qwen35:
    """With low reasoning effort."""
    return _qwen3_8("low")


def qwen3_8_disable_thinking(*_: object) -> Qwen35:
    """Without reasoning."""
    return Qwen35(
        family="qwen3_8_disable_thinking", thinks=False, keeps_reasoning=True, empty_system=False
    )
