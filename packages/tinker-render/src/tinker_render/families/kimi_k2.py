"""Kimi K2 Thinking: role tokens, and reasoning kept only since the last finished answer."""

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
    refuse,
)
from tinker_render.parsing.turn import Notation, read_turn
from tinker_render.segments import Stream
from tinker_render.tokenizer.codec import Piece
from tinker_render.tools.json_calls import checked_arguments, openai_tool, read_named_call

DEFAULT_SYSTEM = "You are Kimi, an AI assistant created by Moonshot AI."
MARKERS = (
    *("<|im_system|>", "<|im_user|>", "<|im_assistant|>", "<|im_middle|>", "<|im_end|>"),
    *("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"),
    *("<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>"),
    *("<think>", "</think>"),
)
_BY_ROLE = {"user": "<|im_user|>", "assistant": "<|im_assistant|>"}


def calls_before(chat: Chat) -> list[int]:
    """How many calls have been made before each message."""
    return [*accumulate((len(message.tool_calls) for message in chat), initial=0)]


def call_ids(chat: Chat, i: int) -> list[str]:
    """The ids that the model knows of a message's calls, whatever ids the message has."""
    numbered = enumerate(chat[i].tool_calls, chat.once(calls_before)[i])
    return [f"functions.{call.name}:{n}" for n, call in numbered]


def answered(chat: Chat, i: int) -> str:
    """The id of the call that a tool's message answers.

    That is the last call of the id that it names, or else the one in its place among the last ones.
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
    return f"functions.{chat[i].name or 'unknown'}:{chat.once(calls_before)[i]}"


def _own_ids(message: Message) -> list[str | None]:
    return [call.id for call in message.tool_calls]


@frozen
class KimiK2:
    """A default system prompt where there is none; reasoning in every turn, if only empty."""

    markers = MARKERS
    stop = ("<|im_end|>",)

    def begin(self, stream: Stream, chat: Chat) -> None:
        """Tools, and the default system prompt."""
        if chat.tools:
            declare_tools(stream, tools_as_json(chat.tools))
        if chat[0].role != "system":
            stream.frame(f"<|im_system|>system<|im_middle|>{DEFAULT_SYSTEM}<|im_end|>")

    def message(self, stream: Stream, chat: Chat, i: int) -> None:
        """Header, text, end."""
        message = chat[i]
        write_header(stream, message.role, message.name)
        if message.role == "assistant":
            reasoning, answer = reasoning_and_answer(i, message, "kimi_k2")
            stream.mark("<think>")
            stream.text(reasoning if i > chat.once(last_finished_answer) else "")
            stream.mark("</think>")
            stream.text(answer)
            write_calls(stream, chat, i)
        else:
            write_return(stream, chat, i)
            stream.text(only_text(i, message, "kimi_k2"))
        stream.mark("<|im_end|>")

    def open(self, stream: Stream, chat: Chat, role: Role) -> None:
        """The header."""
        write_header(stream, role, None)

    def read(self, pieces: Sequence[Piece], tools: Sequence[ToolSpec]) -> Reply | Malformed:
        """Reasoning, text, calls; nothing trimmed."""
        return read_turn(pieces, NOTATION).outcome()

    def settled(self, chat: Chat) -> int:
        """Up to the last finished answer: what follows that loses its reasoning."""
        return chat.once(last_finished_answer) + 1


def write_header(stream: Stream, role: Role, name: str | None) -> None:
    """The role's token and who speaks."""
    stream.frame(_BY_ROLE.get(role, "<|im_system|>"))
    stream.aside(name or role)
    stream.frame("<|im_middle|>")


def declare_tools(stream: Stream, declarations: str) -> None:
    """What the model is told about tools."""
    stream.frame("<|im_system|>tool_declare<|im_middle|>")
    stream.aside(declarations)
    stream.frame("<|im_end|>")


def write_return(stream: Stream, chat: Chat, i: int) -> None:
    """Which call a tool's message answers; nothing for other messages."""
    if chat[i].role == "tool":
        stream.aside(f"## Return of {answered(chat, i)}\n")


def write_calls(stream: Stream, chat: Chat, i: int) -> None:
    """The message's tool calls."""
    message = chat[i]
    if message.unparsed_tool_calls:
        raise refuse(i, message, "a tool call that could not be parsed")
    if not message.tool_calls:
        return
    stream.mark("<|tool_calls_section_begin|>")
    for call, id_ in zip(message.tool_calls, call_ids(chat, i), strict=True):
        stream.mark("<|tool_call_begin|>")
        stream.text(id_)
        stream.mark("<|tool_call_argument_begin|>")
        stream.text(checked_arguments(i, message, call))
        stream.mark("<|tool_call_end|>")
    stream.mark("<|tool_calls_section_end|>")


def tools_as_json(tools: Sequence[ToolSpec]) -> str:
    """The declarations as Moonshot's tokenizer writes them: keys sorted, no spaces."""
    declared = [openai_tool(tool) for tool in tools]
    return json.dumps(declared, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _read_call(text: str) -> ToolCall | UnparsedToolCall:
    id_, _, arguments = text.partition("<|tool_call_argument_begin|>")
    name = id_.strip().removeprefix("functions.").rpartition(":")[0]
    call = read_named_call(name, arguments, text)
    return evolve(call, id=id_.strip()) if isinstance(call, ToolCall) else call


NOTATION = Notation(
    think=("<think>", "</think>"),
    call=("<|tool_call_begin|>", "<|tool_call_end|>"),
    read_call=_read_call,
    within_call=("<|tool_call_argument_begin|>",),
    around_calls=("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"),
)


def kimi_k2(*_: object) -> KimiK2:
    """Thinking."""
    return KimiK2()
