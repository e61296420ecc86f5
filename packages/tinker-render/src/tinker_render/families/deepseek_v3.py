"""DeepSeek V3.1: `User` and `Assistant` tokens instead of headers, none behind a tool result.

Earlier assistant messages follow a closing `</think>`, without their reasoning.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from tinker_core import Malformed, Message, Reply, ToolCall, ToolSpec, UnparsedToolCall
from tinker_core.strict_json import to_json
from tinker_render.format.chat import Chat
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
from tinker_render.tools.json_calls import checked_arguments, read_call


def _token(name: str) -> str:
    """A token in fullwidth bars, with its words joined by U+2581."""
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
    """With reasoning or without."""

    thinks: bool
    control_tokens = (
        *(BOS, EOS, USER, ASSISTANT, "<think>", "</think>"),
        *(CALLS, CALLS_END, CALL, CALL_END, SEPARATOR, ANSWER, ANSWER_END),
    )
    stop = (EOS,)

    def begin(self, writer: SegmentWriter, chat: Chat) -> None:
        """Write the BOS token, and the tools if there is no system message."""
        writer.header(BOS)
        if chat[0].role != "system":
            _declare(writer, chat.tools)

    def message(self, writer: SegmentWriter, chat: Chat, i: int) -> None:
        """Write the message. System messages come first, joined by blank lines, then the tools."""
        message = chat[i]
        match message.role:
            case "system" if i == 0 or chat[i - 1].role == "system":
                writer.header("\n\n" if i > 0 else "")
                writer.text(only_text(i, message, "deepseekv3"))
                if chat.tools and (i + 1 == len(chat) or chat[i + 1].role != "system"):
                    writer.header("\n\n")
                    _declare(writer, chat.tools)
            case "user":
                writer.header(USER)
                writer.text(only_text(i, message, "deepseekv3"))
            case "assistant":
                self._assistant(writer, chat, i)
            case "tool":
                writer.header(ANSWER)
                writer.text(only_text(i, message, "deepseekv3"))
                writer.markup(ANSWER_END)
            case role:
                raise refuse(i, message, f"deepseekv3 has no {role} message here")

    def read(self, pieces: Sequence[Piece], tools: Sequence[ToolSpec]) -> Reply | Malformed:
        """Read reasoning up to `</think>`, without trimming.

        A turn behind a tool result begins without `<think>`: then there is no reasoning.
        """
        bounds = (ControlToken("<think>"), ControlToken("</think>"))
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

    def stable_prefix(self, chat: Chat) -> int:
        """All but the last message, which loses its reasoning."""
        return len(chat) - 1

    def _assistant(self, writer: SegmentWriter, chat: Chat, i: int) -> None:
        message = chat[i]
        reasoning, answer = reasoning_and_answer(i, message, "deepseekv3")
        last = i == len(chat) - 1
        if last and reasoning and not self.thinks:
            raise refuse_reasoning(i, message, "deepseekv3 without thinking")
        after_user = i > 0 and chat[i - 1].role == "user"
        if after_user and not (last and self.thinks):
            writer.header(f"{ASSISTANT}</think>")
        elif after_user:
            writer.header(f"{ASSISTANT}<think>")
            writer.text(reasoning)
            writer.markup("</think>")
        elif last and reasoning:
            writer.markup("<think>")
            writer.text(reasoning)
            writer.markup("</think>")
        writer.text(answer)
        _write_calls(writer, i, message)
        writer.markup(EOS)


def _declare(writer: SegmentWriter, tools: Sequence[ToolSpec]) -> None:
    if not tools:
        return
    writer.header(_TOOLS[0])
    for tool in tools:
        parameters = to_json(tool.parameters)
        described = f"Description: {tool.description}\n\nParameters: {parameters}"
        writer.header_text(f"\n### {tool.name}\n{described}\n")
    writer.header(_TOOLS[1])


def _write_calls(writer: SegmentWriter, i: int, message: Message) -> None:
    refuse_unparsed_calls(i, message)
    for n, call in enumerate(message.tool_calls):
        writer.markup(CALL if n else f"{CALLS}{CALL}")
        writer.text(call.name)
        writer.markup(SEPARATOR)
        writer.text(checked_arguments(i, message, call))
        writer.markup(CALL_END)
    writer.markup(CALLS_END if message.tool_calls else "")


def _read_call(pieces: Sequence[Piece]) -> ToolCall | UnparsedToolCall:
    text = text_of(pieces)
    if ControlToken(SEPARATOR) not in pieces:
        return UnparsedToolCall(text=text, reason=f"a call without {SEPARATOR}")
    at = pieces.index(ControlToken(SEPARATOR))
    return read_call(text_of(pieces[:at]), text_of(pieces[at + 1 :]), text=text)


def deepseekv3(*_: object) -> DeepSeekV3:
    """Without reasoning, the default of the model."""
    return DeepSeekV3(thinks=False)


def deepseekv3_thinking(*_: object) -> DeepSeekV3:
    """With reasoning."""
    return DeepSeekV3(thinks=True)
