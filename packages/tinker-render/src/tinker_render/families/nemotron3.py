"""Nemotron 3: ChatML with reasoning opened by the prompt, XML calls, and always a system message.

An answer without reasoning has a closed, empty block. Earlier reasoning is dropped when a user
message follows, unless it is preserved. Ultra differs in the newlines around reasoning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from attrs import evolve, frozen

from tinker_core import Malformed, Message, Reply, ToolSpec
from tinker_core.strict_json import to_json
from tinker_render.families.qwen3 import CONTROL_TOKENS
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
from tinker_render.tools.arguments import write_python
from tinker_render.tools.xml_calls import EXAMPLE, read_xml_call, xml_call


@frozen(kw_only=True)
class Nemotron3:
    """Nano and Super have newlines around reasoning, Ultra has none."""

    thinks: bool = True
    preserves: bool = False
    """True if earlier turns keep their reasoning."""
    newline: str = "\n"
    """Written behind reasoning and behind its closing token."""
    hint: str = ""
    """Written behind the text of the last user message."""
    control_tokens = CONTROL_TOKENS
    stop = ("<|im_end|>",)

    def begin(self, writer: SegmentWriter, chat: Chat) -> None:
        """Write the system message with its text and the tools."""
        said = chat[0].role == "system"
        text = without_reasoning(0, chat[0], "nemotron3") if said else ""
        writer.start(0 if said else NO_MESSAGE, sampled=False)
        writer.header("<|im_start|>system\n")
        writer.text(text)
        if chat.tools:
            writer.header("\n\n" if text else "")
            writer.header("# Tools\n\nYou have access to the following functions:\n\n<tools>")
            writer.header_text("".join(map(_declaration, chat.tools)))
            writer.header(f"\n</tools>{EXAMPLE}")
        writer.markup("<|im_end|>")
        writer.header("\n")

    def message(self, writer: SegmentWriter, chat: Chat, i: int) -> None:
        """Write header, content and end; adjacent tool results share one user message."""
        message = chat[i]
        match message.role:
            case "system" if i == 0:
                pass
            case "assistant":
                self._assistant(writer, chat, i)
            case "tool":
                _tool_result(writer, chat, i)
            case "developer":
                raise refuse(i, message, "nemotron3 has no form for a developer message")
            case role:
                writer.header(f"<|im_start|>{role}\n")
                writer.text(without_reasoning(i, message, "nemotron3"))
                writer.header(self.hint if i == chat.cached(last_user) else "")
                writer.markup("<|im_end|>")
                writer.header("\n")

    def read(self, pieces: Sequence[Piece], tools: Sequence[ToolSpec]) -> Reply | Malformed:
        """Read reasoning and text without the newlines around them."""
        notation = Notation(
            think=("<think>", "</think>"),
            opened=self.thinks,
            call=("<tool_call>", "</tool_call>"),
            read_call=from_text(partial(read_xml_call, tools=tools, write=write_python)),
        )
        turn = read_turn(pieces, notation)
        text = turn.text.removeprefix(self.newline) if self.thinks else turn.text
        thinking = None if turn.thinking is None else turn.thinking.removesuffix(self.newline)
        return evolve(turn, thinking=thinking, text=text.rstrip()).outcome()

    def stable_prefix(self, chat: Chat) -> int:
        """The messages before the last user message: it loses its hint, later ones reasoning."""
        return max(chat.cached(last_user), 0)

    def _assistant(self, writer: SegmentWriter, chat: Chat, i: int) -> None:
        message = chat[i]
        reasoning, answer = reasoning_and_answer(i, message, "nemotron3")
        reasoning = reasoning if reasoning.strip() else ""
        earlier = i < chat.cached(last_user) and not self.preserves
        last = i == len(chat) - 1
        if last and reasoning and not self.thinks:
            raise refuse_reasoning(i, message, "nemotron3 without thinking")
        writer.header("<|im_start|>assistant\n")
        newline = self.newline if reasoning or (last and self.thinks) else ""
        if (last and self.thinks) or (reasoning and not earlier):
            (writer.header if self.thinks else writer.markup)("<think>\n")
            writer.text(reasoning)
            writer.markup(f"{self.newline if reasoning else ''}</think>")
        elif last or not self.thinks:
            writer.header("<think></think>")
        else:
            writer.markup("<think></think>")
        if earlier and message.tool_calls:
            answer, newline = (answer.strip() if self.newline else answer), ""
        writer.text(f"{newline}{answer}".rstrip())
        self._calls(writer, i, message)
        writer.markup("<|im_end|>")
        writer.header("\n")

    def _calls(self, writer: SegmentWriter, i: int, message: Message) -> None:
        refuse_unparsed_calls(i, message)
        for n, call in enumerate(message.tool_calls):
            writer.markup("<tool_call>\n" if n else "\n<tool_call>\n")
            writer.text(xml_call(i, message, call, write_python))
            writer.markup("\n</tool_call>\n")


def _tool_result(writer: SegmentWriter, chat: Chat, i: int) -> None:
    if i > 0 and opens_tool_block(chat, i):  # the template has no header for a first message
        writer.header("<|im_start|>user\n")
    writer.header("<tool_response>\n")
    writer.text(without_reasoning(i, chat[i], "nemotron3"))
    writer.header("\n</tool_response>\n")
    if closes_tool_block(chat, i):
        writer.markup("<|im_end|>")
        writer.header("\n")


def _declaration(tool: ToolSpec) -> str:
    schema: Mapping[str, Any] = tool.parameters if isinstance(tool.parameters, Mapping) else {}
    properties = schema.get("properties")
    parameters = "".join(
        f"\n<parameter>\n<name>{name}</name>{_fields(fields)}\n</parameter>"
        for name, fields in (properties.items() if isinstance(properties, Mapping) else ())
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


def _fields(schema: Any) -> str:
    """The fields of the schema of a parameter; `true` and `false` have none."""
    fields: Mapping[str, Any] = schema if isinstance(schema, Mapping) else {}
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
    """With reasoning."""
    return Nemotron3()


def nemotron3_low_thinking(*_: object) -> Nemotron3:
    """With low reasoning effort."""
    return Nemotron3(hint=_EFFORT.format("low"))


def nemotron3_disable_thinking(*_: object) -> Nemotron3:
    """Without reasoning."""
    return Nemotron3(thinks=False)


def nemotron3_preserve_thinking(*_: object) -> Nemotron3:
    """With reasoning; earlier turns keep it."""
    return Nemotron3(preserves=True)


def nemotron3_ultra(*_: object) -> Nemotron3:
    """Ultra with reasoning."""
    return Nemotron3(newline="")


def nemotron3_ultra_medium_thinking(*_: object) -> Nemotron3:
    """Ultra with medium reasoning effort."""
    return Nemotron3(newline="", hint=_EFFORT.format("efficient"))


def nemotron3_ultra_disable_thinking(*_: object) -> Nemotron3:
    """Ultra without reasoning."""
    return Nemotron3(newline="", thinks=False)


def nemotron3_ultra_preserve_thinking(*_: object) -> Nemotron3:
    """Ultra with reasoning; earlier turns keep it."""
    return Nemotron3(newline="", preserves=True)
