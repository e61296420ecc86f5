"""GLM 4.5 and 4.6: role tokens without ends; a turn ends with the token of who speaks next.

That is `<|user|>`, or `<|observation|>` behind a call, and it is the model's to emit. Reasoning is
dropped once the user speaks again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import partial
from typing import Any

from attrs import evolve, frozen

from tinker_core import (
    Malformed,
    Message,
    RenderError,
    Reply,
    Role,
    ToolCall,
    ToolSpec,
    UnparsedToolCall,
)
from tinker_render.format.chat import Chat, last_user
from tinker_render.format.message_text import only_text, reasoning_and_answer, refuse
from tinker_render.parsing.turn import Notation, read_turn
from tinker_render.segments import Stream
from tinker_render.tokenizer.codec import Piece
from tinker_render.tools.json_calls import openai_tool, to_json

_KEY, _VALUE = ("<arg_key>", "</arg_key>"), ("<arg_value>", "</arg_value>")
_HEADERS = {"system": "<|system|>", "user": "<|user|>", "tool": "<|observation|>"}
_TOOLS = (
    "<|system|>\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n",
    "</tools>\n\nFor each function call, output the function name and arguments within the"
    " following XML format:\n<tool_call>{function-name}\n<arg_key>{arg-key-1}</arg_key>\n"
    "<arg_value>{arg-value-1}</arg_value>\n<arg_key>{arg-key-2}</arg_key>\n"
    "<arg_value>{arg-value-2}</arg_value>\n...\n</tool_call>",
)
_ARGUMENT = re.compile(r"\n<arg_key>(.*?)</arg_key>\n<arg_value>(.*?)</arg_value>", re.DOTALL)


@frozen
class Glm:
    """Thinking or not."""

    thinks: bool
    markers = (
        *("[gMASK]", "<sop>", *_HEADERS.values(), "<|assistant|>", "/nothink"),
        *("<think>", "</think>", "<tool_call>", "</tool_call>", *_KEY, *_VALUE),
        *("<tool_response>", "</tool_response>"),
    )
    stop = ("<|user|>", "<|observation|>")

    def begin(self, stream: Stream, chat: Chat) -> None:
        """The tools."""
        stream.frame("[gMASK]<sop>")
        if chat.tools:
            stream.frame(_TOOLS[0])
            stream.aside("".join(f"{to_json(openai_tool(tool))}\n" for tool in chat.tools))
            stream.frame(_TOOLS[1])

    def message(self, stream: Stream, chat: Chat, i: int) -> None:
        """The text behind its role's token, which the assistant may have emitted."""
        message = chat[i]
        if message.role == "assistant":
            self._assistant(stream, chat, i)
            return
        if message.role not in _HEADERS:
            raise refuse(i, message, f"glm has no form for a {message.role} message")
        before = chat[i - 1].role if i > 0 else None
        if before != "assistant" and not before == message.role == "tool":
            stream.frame(_HEADERS[message.role])
        self._said(stream, i, message)

    def open(self, stream: Stream, chat: Chat, role: Role) -> None:
        """The token, and the closed block of reasoning where thinking is off."""
        if role == "assistant":
            stream.frame("<|assistant|>" + ("" if self.thinks else "\n<think></think>"))
        elif role != "user":
            raise RenderError(f"glm cannot open a {role} message")
        elif chat[-1].role != "assistant":
            stream.frame("<|user|>")

    def read(self, pieces: Sequence[Piece], tools: Sequence[ToolSpec]) -> Reply | Malformed:
        """Reasoning and text trimmed."""
        notation = Notation(
            think=("<think>", "</think>"),
            call=("<tool_call>", "</tool_call>"),
            read_call=partial(_read_call, tools=tools),
            within_call=(*_KEY, *_VALUE),
        )
        turn = read_turn(pieces, notation)
        thinking = None if turn.thinking is None else turn.thinking.strip()
        return evolve(turn, thinking=thinking, text=turn.text.strip()).outcome()

    def settled(self, chat: Chat) -> int:
        """Those before the user's last: what follows that loses its reasoning."""
        return max(chat.once(last_user), 0)

    def _said(self, stream: Stream, i: int, message: Message) -> None:
        text = only_text(i, message, "glm")
        if message.role == "tool":
            stream.frame("\n<tool_response>\n")
            stream.text(text)
            stream.frame("\n</tool_response>")
        else:
            stream.frame("\n")
            stream.text(text)
            stream.frame("/nothink" if message.role == "user" and not self.thinks else "")

    def _assistant(self, stream: Stream, chat: Chat, i: int) -> None:
        message = chat[i]
        reasoning, answer = (text.strip() for text in reasoning_and_answer(i, message, "glm"))
        current = i > chat.once(last_user)
        if reasoning and current and not self.thinks:
            raise refuse(i, message, "glm without thinking has no form for reasoning")
        stream.frame("<|assistant|>")
        if self.thinks:
            stream.mark("\n<think>")
            stream.text(reasoning if current else "")
            stream.mark("</think>")
        else:
            stream.frame("\n<think></think>")
        stream.text(f"\n{answer}" if answer else "")
        _write_calls(stream, i, message)
        following = chat[i + 1].role if i + 1 < len(chat) else None
        if following in ("system", "developer", "assistant"):
            raise refuse(i, message, "in glm the user or a tool speaks after the assistant")
        observes = following == "tool" or (following is None and bool(message.tool_calls))
        stream.mark("<|observation|>" if observes else "<|user|>")


def _write_calls(stream: Stream, i: int, message: Message) -> None:
    if message.unparsed_tool_calls:
        raise refuse(i, message, "a tool call that could not be parsed")
    for call in message.tool_calls:
        arguments = call.parsed_arguments
        texts = {k: v if isinstance(v, str) else to_json(v) for k, v in arguments.items()}
        written = f"{call.name}\n" + "".join(map(_argument, texts.items()))
        if _parts(written) != (call.name, texts):
            raise refuse(i, message, f"a call of {call.name!r} that reads otherwise once written")
        stream.mark("\n<tool_call>")
        stream.text(call.name)
        for key, text in texts.items():
            stream.mark(f"\n{_KEY[0]}")
            stream.text(key)
            stream.mark(f"{_KEY[1]}\n{_VALUE[0]}")
            stream.text(text)
            stream.mark(_VALUE[1])
        stream.mark("\n</tool_call>")


def _argument(item: tuple[str, str]) -> str:
    return f"\n{_KEY[0]}{item[0]}{_KEY[1]}\n{_VALUE[0]}{item[1]}{_VALUE[1]}"


def _parts(text: str) -> tuple[str, dict[str, str]] | None:
    name, _, rest = text.strip().partition("\n")
    if not name or _ARGUMENT.sub("", f"\n{rest}").strip():
        return None
    return name, {match[1]: match[2] for match in _ARGUMENT.finditer(f"\n{rest}")}


def _read_call(text: str, tools: Sequence[ToolSpec]) -> ToolCall | UnparsedToolCall:
    """A parameter that its tool declares as a string stays one; others are read as JSON if so."""
    parts = _parts(text)
    if parts is None:
        return UnparsedToolCall(text=text, reason="not a name with <arg_key> and <arg_value>")
    name, texts = parts
    declared = next((tool.parameters for tool in tools if tool.name == name), {})
    properties = declared.get("properties", {})
    strings = {key for key, schema in properties.items() if schema.get("type") == "string"}
    values = {k: text if k in strings else _as_value(text) for k, text in texts.items()}
    return ToolCall(name=name, arguments=to_json(values))


def _as_value(text: str) -> Any:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return text
    return text if isinstance(value, str) else value


def glm(*_: object) -> Glm:
    """Thinking, which is the model's default."""
    return Glm(thinks=True)


def glm_disable_thinking(*_: object) -> Glm:
    """Not thinking."""
    return Glm(thinks=False)
