"""DeepSeek V3.1: no role headers but `User` and `Assistant` tokens, and none after a tool's answer.

Every earlier message of the assistant follows a closing `</think>`, its reasoning dropped.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

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
from tinker_render.format.chat import Chat
from tinker_render.format.message_text import (
    only_text,
    reasoning_and_answer,
    refuse,
)
from tinker_render.parsing.turn import Notation, read_turn
from tinker_render.segments import Stream
from tinker_render.tokenizer.codec import Marker, Piece
from tinker_render.tools.json_calls import checked_arguments, read_named_call, to_json


def _token(name: str) -> str:
    """A token in the model's own brackets, its words joined as there."""
    return f"<\uff5c{name.replace(' ', chr(0x2581))}\uff5c>"


BOS, EOS = _token("begin of sentence"), _token("end of sentence")
USER, ASSISTANT = _token("User"), _token("Assistant")
CALLS, CALLS_END = _token("tool calls begin"), _token("tool calls end")
CALL, CALL_END = _token("tool call begin"), _token("tool call end")
SEPARATOR = _token("tool sep")
ANSWER, ANSWER_END = _token("tool output begin"), _token("tool output end")

_TOOLS = (
    "## Tools\nYou have access to the following tools:\n",
    "\nIMPORTANT: ALWAYS adhere to this exact format for tool use:\n"
    f"{CALLS}{CALL}tool_call_name{SEPARATOR}tool_call_arguments{CALL_END}"
    f"{{{{additional_tool_calls}}}}{CALLS_END}\n\nWhere:\n\n"
    "- `tool_call_name` must be an exact match to one of the available tools\n"
    "- `tool_call_arguments` must be valid JSON that strictly follows the tool's Parameters"
    " Schema\n- For multiple tool calls, chain them directly without separators or spaces",
)


@frozen
class DeepSeekV3:
    """Thinking or not."""

    thinks: bool
    markers = (
        *(BOS, EOS, USER, ASSISTANT, "<think>", "</think>"),
        *(CALLS, CALLS_END, CALL, CALL_END, SEPARATOR, ANSWER, ANSWER_END),
    )
    stop = (EOS,)

    def begin(self, stream: Stream, chat: Chat) -> None:
        """The beginning of a text, and the tools where no system message precedes them."""
        stream.frame(BOS)
        if chat[0].role != "system":
            _declare(stream, chat.tools)

    def message(self, stream: Stream, chat: Chat, i: int) -> None:
        """System messages first, joined by blank lines, then the tools."""
        message = chat[i]
        match message.role:
            case "system" if i == 0 or chat[i - 1].role == "system":
                stream.frame("\n\n" if i > 0 else "")
                stream.text(only_text(i, message, "deepseekv3"))
                if chat.tools and (i + 1 == len(chat) or chat[i + 1].role != "system"):
                    stream.frame("\n\n")
                    _declare(stream, chat.tools)
            case "user":
                stream.frame(USER)
                stream.text(only_text(i, message, "deepseekv3"))
            case "assistant":
                self._assistant(stream, chat, i)
            case "tool":
                stream.frame(ANSWER)
                stream.text(only_text(i, message, "deepseekv3"))
                stream.mark(ANSWER_END)
            case role:
                raise refuse(i, message, f"deepseekv3 has no {role} message here")

    def open(self, stream: Stream, chat: Chat, role: Role) -> None:
        """The assistant's token and `<think>`, opened or closed; nothing unless the user spoke."""
        if role == "user":
            stream.frame(USER)
        elif role != "assistant":
            raise RenderError(f"deepseekv3 cannot open a {role} message")
        elif chat[-1].role == "user":
            stream.frame(ASSISTANT + ("<think>" if self.thinks else "</think>"))

    def read(self, pieces: Sequence[Piece], tools: Sequence[ToolSpec]) -> Reply | Malformed:
        """Reasoning up to `</think>`; nothing trimmed.

        A turn after a tool's answer begins without `<think>`, and what it says is no reasoning.
        """
        bounds = (Marker("<think>"), Marker("</think>"))
        closes = next((piece for piece in pieces if piece in bounds), None) == bounds[1]
        notation = Notation(
            think=("<think>", "</think>"),
            opened=self.thinks and closes,
            call=(CALL, CALL_END),
            read_call=_read_call,
            within_call=(SEPARATOR,),
            around_calls=(CALLS, CALLS_END),
        )
        return read_turn(pieces, notation).outcome()

    def settled(self, chat: Chat) -> int:
        """All, but for the last: when thinking, it loses its reasoning."""
        return len(chat) - self.thinks

    def _assistant(self, stream: Stream, chat: Chat, i: int) -> None:
        message = chat[i]
        reasoning, answer = reasoning_and_answer(i, message, "deepseekv3")
        last = i == len(chat) - 1
        if last and reasoning and not self.thinks:
            raise refuse(i, message, "deepseekv3 without thinking has no form for reasoning")
        after_user = i > 0 and chat[i - 1].role == "user"
        if after_user and not (last and self.thinks):
            stream.frame(f"{ASSISTANT}</think>")
        elif after_user:
            stream.frame(f"{ASSISTANT}<think>")
            stream.text(reasoning)
            stream.mark("</think>")
        elif last and reasoning:
            stream.mark("<think>")
            stream.text(reasoning)
            stream.mark("</think>")
        stream.text(answer)
        _write_calls(stream, i, message)
        stream.mark(EOS)


def _declare(stream: Stream, tools: Sequence[ToolSpec]) -> None:
    if not tools:
        return
    stream.frame(_TOOLS[0])
    for tool in tools:
        parameters = to_json(dict(tool.parameters))
        described = f"Description: {tool.description}\n\nParameters: {parameters}"
        stream.aside(f"\n### {tool.name}\n{described}\n")
    stream.frame(_TOOLS[1])


def _write_calls(stream: Stream, i: int, message: Message) -> None:
    if message.unparsed_tool_calls:
        raise refuse(i, message, "a tool call that could not be parsed")
    for n, call in enumerate(message.tool_calls):
        stream.mark(CALL if n else f"{CALLS}{CALL}")
        stream.text(call.name)
        stream.mark(SEPARATOR)
        stream.text(checked_arguments(i, message, call))
        stream.mark(CALL_END)
    stream.mark(CALLS_END if message.tool_calls else "")


def _read_call(text: str) -> ToolCall | UnparsedToolCall:
    name, _, arguments = text.partition(SEPARATOR)
    return read_named_call(name, arguments, text)


def deepseekv3(*_: object) -> DeepSeekV3:
    """Not thinking, which is the model's default."""
    return DeepSeekV3(thinks=False)


def deepseekv3_thinking(*_: object) -> DeepSeekV3:
    """Thinking."""
    return DeepSeekV3(thinks=True)
