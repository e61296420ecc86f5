"""GLM 4.5 and 4.6: role tokens and no end tokens; a turn ends with the token of the next role.

That is `<|user|>`, or `<|observation|>` behind a call, and the model emits it. Earlier reasoning is
dropped when a user message follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

from attrs import evolve, frozen

from tinker_core import Malformed, Message, Reply, ToolCall, ToolSpec, UnparsedToolCall
from tinker_core.strict_json import to_json
from tinker_render.format.chat import Chat, last_user
from tinker_render.format.message_text import (
    only_text,
    reasoning_and_answer,
    refuse,
    refuse_reasoning,
    refuse_unparsed_calls,
)
from tinker_render.parsing.turn import Notation, read_turn
from tinker_render.segments import SegmentWriter
from tinker_render.tokenizer.codec import ControlToken, Piece, text_of
from tinker_render.tools.arguments import read_arguments, write_json, written_arguments
from tinker_render.tools.json_calls import openai_tool

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
_BOUNDS = [ControlToken(text) for text in (*_KEY, *_VALUE)]


@frozen
class Glm:
    """With reasoning or without."""

    thinks: bool
    control_tokens = (
        *("[gMASK]", "<sop>", *_HEADERS.values(), "<|assistant|>", "/nothink"),
        *("<think>", "</think>", "<tool_call>", "</tool_call>", *_KEY, *_VALUE),
        *("<tool_response>", "</tool_response>"),
    )
    stop = ("<|user|>", "<|observation|>")

    def begin(self, writer: SegmentWriter, chat: Chat) -> None:
        """Write the first tokens and the tools."""
        writer.header("[gMASK]<sop>")
        if chat.tools:
            writer.header(_TOOLS[0])
            writer.header_text("".join(f"{to_json(openai_tool(tool))}\n" for tool in chat.tools))
            writer.header(_TOOLS[1])

    def message(self, writer: SegmentWriter, chat: Chat, i: int) -> None:
        """Write the role token, unless the assistant emitted it, and the content."""
        message = chat[i]
        if message.role == "assistant":
            self._assistant(writer, chat, i)
            return
        if message.role not in _HEADERS:
            raise refuse(i, message, f"glm has no form for a {message.role} message")
        before = chat[i - 1].role if i > 0 else None
        if before != "assistant" and not before == message.role == "tool":
            writer.header(_HEADERS[message.role])
        self._other(writer, i, message)

    def read(self, pieces: Sequence[Piece], tools: Sequence[ToolSpec]) -> Reply | Malformed:
        """Read reasoning and text, and trim both."""
        notation = Notation(
            think=("<think>", "</think>"),
            call=("<tool_call>", "</tool_call>"),
            read_call=partial(_read_call, tools=tools),
            within_call=(*_KEY, *_VALUE),
        )
        turn = read_turn(pieces, notation)
        thinking = None if turn.thinking is None else turn.thinking.strip()
        return evolve(turn, thinking=thinking, text=turn.text.strip()).outcome()

    def stable_prefix(self, chat: Chat) -> int:
        """The messages before the last user message: later ones lose their reasoning."""
        return max(chat.cached(last_user), 0)

    def _other(self, writer: SegmentWriter, i: int, message: Message) -> None:
        text = only_text(i, message, "glm")
        if message.role == "tool":
            writer.header("\n<tool_response>\n")
            writer.text(text)
            writer.header("\n</tool_response>")
        else:
            writer.header("\n")
            writer.text(text)
            writer.header("/nothink" if message.role == "user" and not self.thinks else "")

    def _assistant(self, writer: SegmentWriter, chat: Chat, i: int) -> None:
        message = chat[i]
        reasoning, answer = (text.strip() for text in reasoning_and_answer(i, message, "glm"))
        current = i > chat.cached(last_user)
        if reasoning and i == len(chat) - 1 and not self.thinks:
            raise refuse_reasoning(i, message, "glm without thinking")
        shown = reasoning if current else ""
        writer.header("<|assistant|>")
        if self.thinks or shown:
            writer.markup("\n<think>")
            writer.text(shown)
            writer.markup("</think>")
        else:
            writer.header("\n<think></think>")
        writer.text(f"\n{answer}" if answer else "")
        _write_calls(writer, i, message)
        following = chat[i + 1].role if i + 1 < len(chat) else None
        if following in ("system", "developer", "assistant"):
            raise refuse(i, message, "in glm a user or tool message follows the assistant")
        observes = following == "tool" or (following is None and bool(message.tool_calls))
        writer.markup("<|observation|>" if observes else "<|user|>")


def _write_calls(writer: SegmentWriter, i: int, message: Message) -> None:
    refuse_unparsed_calls(i, message)
    for call in message.tool_calls:
        texts = written_arguments(i, message, call, write_json)
        if not _is_name(call.name):
            raise refuse(i, message, f"glm has no form for a tool called {call.name!r}")
        writer.markup("\n<tool_call>")
        writer.text(call.name)
        for key, text in texts.items():
            writer.markup(f"\n{_KEY[0]}")
            writer.text(key)
            writer.markup(f"{_KEY[1]}\n{_VALUE[0]}")
            writer.text(text)
            writer.markup(_VALUE[1])
        writer.markup("\n</tool_call>")


def _is_name(name: str) -> bool:
    return bool(name) and not any(c.isspace() or c in "<>" for c in name)


def _read_call(pieces: Sequence[Piece], tools: Sequence[ToolSpec]) -> ToolCall | UnparsedToolCall:
    """Read a name, then keys and values between their tokens; only white space separates them."""
    bounds = [n for n, piece in enumerate(pieces) if isinstance(piece, ControlToken)]
    ends = [*bounds, len(pieces)]
    name = text_of(pieces[: ends[0]]).strip()
    between = [text_of(pieces[a + 1 : b]) for a, b in pairwise(ends)]
    keys, gaps, values, others = (between[n::4] for n in range(4))
    expected = _BOUNDS * (len(bounds) // len(_BOUNDS))
    if [pieces[n] for n in bounds] != expected or "".join([*gaps, *others]).strip():
        reason = "not one <arg_value> for each <arg_key>"
    elif not _is_name(name):
        reason = f"not the name of a tool: {name!r:.80}"
    elif len(set(keys)) < len(keys):
        reason = "an argument is given twice"
    else:
        texts = dict(zip(keys, values, strict=True))
        return ToolCall(name=name, arguments=read_arguments(name, texts, tools, write_json))
    return UnparsedToolCall(text=text_of(pieces), reason=reason)


def glm(*_: object) -> Glm:
    """With reasoning, the default of the model."""
    return Glm(thinks=True)


def glm_disable_thinking(*_: object) -> Glm:
    """Without reasoning."""
    return Glm(thinks=False)
