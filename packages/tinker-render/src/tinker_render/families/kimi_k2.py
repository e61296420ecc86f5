"""Kimi K2 Thinking: role tokens, and reasoning only behind the last finished answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import accumulate, chain

from attrs import evolve, frozen

from tinker_core import Malformed, Message, Reply, Role, ToolCall, ToolSpec, UnparsedToolCall
from tinker_render.format.chat import Chat, last_finished_answer
from tinker_render.format.message_text import (
    only_text,
    reasoning_and_answer,
    refuse_unparsed_calls,
)
from tinker_render.parsing.turn import Notation, read_turn
from tinker_render.segments import SegmentWriter
from tinker_render.tokenizer.codec import ControlToken, Piece, text_of
from tinker_render.tools.json_calls import checked_arguments, openai_tool, read_call

DEFAULT_SYSTEM = "You are Kimi, an AI assistant created by Moonshot AI."
CONTROL_TOKENS = (
    *("<|im_system|>", "<|im_user|>", "<|im_assistant|>", "<|im_middle|>", "<|im_end|>"),
    *("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"),
    *("<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>"),
    *("<think>", "</think>"),
)
_BY_ROLE = {"user": "<|im_user|>", "assistant": "<|im_assistant|>"}


def calls_before(chat: Chat) -> list[int]:
    """The number of tool calls before each message."""
    return [*accumulate((len(message.tool_calls) for message in chat), initial=0)]


def call_ids(chat: Chat, i: int) -> list[str]:
    """The ids of the calls of a message as the model counts them, whatever ids the message has."""
    numbered = enumerate(chat[i].tool_calls, chat.cached(calls_before)[i])
    return [f"functions.{call.name}:{n}" for n, call in numbered]


def answered(chat: Chat, i: int) -> str:
    """The id of the call that a tool message answers.

    This is the last call with the id that the message names. Without one, it is the call at the
    position of the message among the tool messages behind the last calls.
    """
    asked, earlier = chat[i].tool_call_id, range(i - 1, -1, -1)
    named = (j for j in earlier if asked and asked in _own_ids(chat[j]))
    caller = next(chain(named, (j for j in earlier if chat[j].tool_calls)), 0)
    own, known = _own_ids(chat[caller]), call_ids(chat, caller)
    place = sum(chat[j].role == "tool" for j in range(caller, i))
    if asked and asked in own:
        place = own.index(asked)
    if place < len(known):
        return known[place]
    return f"functions.{chat[i].name or 'unknown'}:{chat.cached(calls_before)[i]}"


def _own_ids(message: Message) -> list[str | None]:
    return [call.id for call in message.tool_calls]


@frozen
class KimiK2:
    """A default system prompt if there is none; every turn has a block of reasoning."""

    control_tokens = CONTROL_TOKENS
    stop = ("<|im_end|>",)

    def begin(self, writer: SegmentWriter, chat: Chat) -> None:
        """Write tools and the default system prompt."""
        if chat.tools:
            declare_tools(writer, tools_as_json(chat.tools))
        if chat[0].role != "system":
            writer.header(f"<|im_system|>system<|im_middle|>{DEFAULT_SYSTEM}<|im_end|>")

    def message(self, writer: SegmentWriter, chat: Chat, i: int) -> None:
        """Write header, reasoning, text and end."""
        message = chat[i]
        write_header(writer, message.role, message.name)
        if message.role == "assistant":
            reasoning, answer = reasoning_and_answer(i, message, "kimi_k2")
            writer.markup("<think>")
            writer.text(reasoning if i > chat.cached(last_finished_answer) else "")
            writer.markup("</think>")
            writer.text(answer)
            write_calls(writer, chat, i)
        else:
            write_return(writer, chat, i)
            writer.text(only_text(i, message, "kimi_k2"))
        writer.markup("<|im_end|>")

    def read(self, pieces: Sequence[Piece], tools: Sequence[ToolSpec]) -> Reply | Malformed:
        """Read reasoning, text and calls, without trimming."""
        return read_turn(pieces, NOTATION).outcome()

    def stable_prefix(self, chat: Chat) -> int:
        """The messages up to the last finished answer: later ones lose their reasoning."""
        return chat.cached(last_finished_answer) + 1


def write_header(writer: SegmentWriter, role: Role, name: str | None) -> None:
    """Write the role token and the name of the speaker."""
    writer.header(_BY_ROLE.get(role, "<|im_system|>"))
    writer.header_text(name or role)
    writer.header("<|im_middle|>")


def declare_tools(writer: SegmentWriter, declarations: str) -> None:
    """Write the declarations of tools."""
    writer.header("<|im_system|>tool_declare<|im_middle|>")
    writer.header_text(declarations)
    writer.header("<|im_end|>")


def write_return(writer: SegmentWriter, chat: Chat, i: int) -> None:
    """Write which call a tool message answers; write nothing for other messages."""
    if chat[i].role == "tool":
        writer.header_text(f"## Return of {answered(chat, i)}\n")


def write_calls(writer: SegmentWriter, chat: Chat, i: int) -> None:
    """Write the tool calls of the message."""
    message = chat[i]
    refuse_unparsed_calls(i, message)
    if not message.tool_calls:
        return
    writer.markup("<|tool_calls_section_begin|>")
    for call, id_ in zip(message.tool_calls, call_ids(chat, i), strict=True):
        writer.markup("<|tool_call_begin|>")
        writer.text(id_)
        writer.markup("<|tool_call_argument_begin|>")
        writer.text(checked_arguments(i, message, call))
        writer.markup("<|tool_call_end|>")
    writer.markup("<|tool_calls_section_end|>")


def tools_as_json(tools: Sequence[ToolSpec]) -> str:
    """The declarations as the tokenizer of Moonshot writes them: sorted keys, no spaces."""
    declared = [openai_tool(tool) for tool in tools]
    return json.dumps(declared, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


_ARGUMENTS = ControlToken("<|tool_call_argument_begin|>")


def _read_call(pieces: Sequence[Piece]) -> ToolCall | UnparsedToolCall:
    text = text_of(pieces)
    if _ARGUMENTS not in pieces:
        return UnparsedToolCall(text=text, reason=f"a call without {_ARGUMENTS.text}")
    at = pieces.index(_ARGUMENTS)
    id_ = text_of(pieces[:at]).strip()
    name = id_.removeprefix("functions.").rpartition(":")[0]
    call = read_call(name, text_of(pieces[at + 1 :]), text=text)
    return evolve(call, id=id_) if isinstance(call, ToolCall) else call


NOTATION = Notation(
    think=("<think>", "</think>"),
    call=("<|tool_call_begin|>", "<|tool_call_end|>"),
    read_call=_read_call,
    within_call=(_ARGUMENTS.text,),
    around_calls=("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"),
)


def kimi_k2(*_: object) -> KimiK2:
    """With reasoning."""
    return KimiK2()
