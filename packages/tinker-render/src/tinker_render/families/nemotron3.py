"""Nemotron 3: ChatML with an opened block of reasoning, XML calls, and a system message always.

An answer without reasoning is shown with a closed, empty block; earlier reasoning is dropped once
the user speaks again, unless it is preserved. Ultra differs by the newlines around reasoning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from attrs import evolve, frozen

from tinker_core import Malformed, Message, Reply, Role, ToolSpec
from tinker_render.families.qwen3 import MARKERS
from tinker_render.format.chat import Chat, last_user
from tinker_render.format.message_text import (
    reasoning_and_answer,
    refuse,
    without_reasoning,
)
from tinker_render.parsing.turn import Notation, read_turn
from tinker_render.segments import NO_MESSAGE, Stream
from tinker_render.tokenizer.codec import Piece
from tinker_render.tools.json_calls import to_json
from tinker_render.tools.xml_calls import EXAMPLE, read_xml_call, xml_call


@frozen(kw_only=True)
class Nemotron3:
    """Nano and Super with `newline` around reasoning, Ultra without."""

    thinks: bool = True
    preserves: bool = False
    """Whether earlier turns keep their reasoning."""
    newline: str = "\n"
    """Behind reasoning and behind its closing token."""
    hint: str = ""
    """Said behind the last message of the user."""
    markers = MARKERS
    stop = ("<|im_end|>",)

    def begin(self, stream: Stream, chat: Chat) -> None:
        """The system's text and the tools."""
        said = chat[0].role == "system"
        text = without_reasoning(0, chat[0], "nemotron3") if said else ""
        stream.turn(0 if said else NO_MESSAGE, sampled=False)
        stream.frame("<|im_start|>system\n")
        stream.text(text)
        if chat.tools:
            stream.frame("\n\n" if text else "")
            stream.frame("# Tools\n\nYou have access to the following functions:\n\n<tools>")
            stream.aside("".join(map(_declaration, chat.tools)))
            stream.frame(f"\n</tools>{EXAMPLE}")
        stream.mark("<|im_end|>")
        stream.frame("\n")

    def message(self, stream: Stream, chat: Chat, i: int) -> None:
        """Header, text, end; answers of tools within one message of the user."""
        message = chat[i]
        match message.role:
            case "system" if i == 0:
                pass
            case "assistant":
                self._assistant(stream, chat, i)
            case "tool":
                _tool_answer(stream, chat, i)
            case "developer":
                raise refuse(i, message, "nemotron3 has no form for a developer's message")
            case role:
                stream.frame(f"<|im_start|>{role}\n")
                stream.text(without_reasoning(i, message, "nemotron3"))
                stream.frame(self.hint if i == chat.once(last_user) else "")
                stream.mark("<|im_end|>")
                stream.frame("\n")

    def open(self, stream: Stream, chat: Chat, role: Role) -> None:
        """The header and `<think>`, opened or closed at once."""
        stream.frame(f"<|im_start|>{role}\n")
        if role == "assistant":
            stream.frame("<think>\n" if self.thinks else "<think></think>")

    def read(self, pieces: Sequence[Piece], tools: Sequence[ToolSpec]) -> Reply | Malformed:
        """Reasoning and text without the newlines that bound them."""
        notation = Notation(
            think=("<think>", "</think>"),
            opened=self.thinks,
            call=("<tool_call>", "</tool_call>"),
            read_call=partial(read_xml_call, tools=tools),
        )
        turn = read_turn(pieces, notation)
        text = turn.text.removeprefix(self.newline) if self.thinks else turn.text
        thinking = None if turn.thinking is None else turn.thinking.removesuffix(self.newline)
        return evolve(turn, thinking=thinking, text=text.rstrip()).outcome()

    def settled(self, chat: Chat) -> int:
        """Those before the user's last, which loses its hint, and what follows its reasoning."""
        return max(chat.once(last_user), 0)

    def _assistant(self, stream: Stream, chat: Chat, i: int) -> None:
        message = chat[i]
        reasoning, answer = reasoning_and_answer(i, message, "nemotron3")
        reasoning = reasoning if reasoning.strip() else ""
        earlier = i < chat.once(last_user) and not self.preserves
        last = i == len(chat) - 1
        if last and reasoning and not self.thinks:
            raise refuse(i, message, "nemotron3 without thinking has no form for reasoning")
        stream.frame("<|im_start|>assistant\n")
        newline = self.newline if reasoning or (last and self.thinks) else ""
        if (last and self.thinks) or (reasoning and not earlier):
            (stream.frame if self.thinks else stream.mark)("<think>\n")
            stream.text(reasoning)
            stream.mark(f"{self.newline if reasoning else ''}</think>")
        elif last or not self.thinks:
            stream.frame("<think></think>")
        else:
            stream.mark("<think></think>")
        if earlier and message.tool_calls:
            answer, newline = (answer.strip() if self.newline else answer), ""
        stream.text(f"{newline}{answer}".rstrip())
        self._calls(stream, i, message)
        stream.mark("<|im_end|>")
        stream.frame("\n")

    def _calls(self, stream: Stream, i: int, message: Message) -> None:
        if message.unparsed_tool_calls:
            raise refuse(i, message, "a tool call that could not be parsed")
        for n, call in enumerate(message.tool_calls):
            stream.mark("<tool_call>\n" if n else "\n<tool_call>\n")
            stream.text(xml_call(i, message, call, python_words=True))
            stream.mark("\n</tool_call>\n")


def _tool_answer(stream: Stream, chat: Chat, i: int) -> None:
    if i > 0 and chat[i - 1].role != "tool":
        stream.frame("<|im_start|>user\n")
    stream.frame("<tool_response>\n")
    stream.text(without_reasoning(i, chat[i], "nemotron3"))
    stream.frame("\n</tool_response>\n")
    if i == len(chat) - 1 or chat[i + 1].role != "tool":
        stream.mark("<|im_end|>")
        stream.frame("\n")


def _declaration(tool: ToolSpec) -> str:
    schema = tool.parameters
    parameters = "".join(
        f"\n<parameter>\n<name>{name}</name>{_fields(fields)}\n</parameter>"
        for name, fields in schema.get("properties", {}).items()
    )
    required = (
        f"\n<required>{to_json(schema['required'])}</required>" if "required" in schema else ""
    )
    return (
        f"\n<function>\n<name>{tool.name}</name>"
        f"\n<description>{tool.description.strip()}</description>\n<parameters>{parameters}"
        f"{_others(schema, ('type', 'properties', 'required'))}{required}"
        "\n</parameters>\n</function>"
    )


def _fields(fields: Mapping[str, Any]) -> str:
    kind = f"\n<type>{fields['type']}</type>" if "type" in fields else ""
    described = str(fields.get("description", "")).strip()
    description = f"\n<description>{described}</description>" if "description" in fields else ""
    enum = f"\n<enum>{to_json(fields['enum'])}</enum>" if "enum" in fields else ""
    return kind + description + enum + _others(fields, ("name", "type", "description", "enum"))


def _others(fields: Mapping[str, Any], known: Sequence[str]) -> str:
    return "".join(
        f"\n<{key}>{to_json(value) if isinstance(value, dict | list) else value}</{key}>"
        for key, value in fields.items()
        if key not in known
    )


_EFFORT = "\n\n{{reasoning effort: {}}}"


def nemotron3(*_: object) -> Nemotron3:
    """Thinking."""
    return Nemotron3()


def nemotron3_low_thinking(*_: object) -> Nemotron3:
    """Thinking briefly."""
    return Nemotron3(hint=_EFFORT.format("low"))


def nemotron3_disable_thinking(*_: object) -> Nemotron3:
    """Not thinking."""
    return Nemotron3(thinks=False)


def nemotron3_preserve_thinking(*_: object) -> Nemotron3:
    """Thinking, and earlier turns keep it."""
    return Nemotron3(preserves=True)


def nemotron3_ultra(*_: object) -> Nemotron3:
    """Ultra, thinking."""
    return Nemotron3(newline="")


def nemotron3_ultra_medium_thinking(*_: object) -> Nemotron3:
    """Ultra, thinking less."""
    return Nemotron3(newline="", hint=_EFFORT.format("efficient"))


def nemotron3_ultra_disable_thinking(*_: object) -> Nemotron3:
    """Ultra, not thinking."""
    return Nemotron3(newline="", thinks=False)


def nemotron3_ultra_preserve_thinking(*_: object) -> Nemotron3:
    """Ultra, thinking, and earlier turns keep it."""
    return Nemotron3(newline="", preserves=True)
