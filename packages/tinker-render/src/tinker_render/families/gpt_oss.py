"""gpt-oss: the Harmony format. A turn consists of messages on channels.

Reasoning is on the channel analysis, a tool call and the text in front of it on commentary, the
answer on final. A sampled answer ends with `<|return|>`. In the history it ends with `<|end|>`, and
its reasoning is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from attrs import define, field, frozen

from tinker_core import (
    Malformed,
    Message,
    Part,
    Reply,
    TextPart,
    ThinkingPart,
    ToolCall,
    ToolSpec,
    UnparsedToolCall,
)
from tinker_core.strict_json import to_json
from tinker_render.format.chat import Chat, last_finished_answer
from tinker_render.format.message_text import (
    only_text,
    reasoning_and_answer,
    refuse,
    refuse_unparsed_calls,
)
from tinker_render.segments import NO_MESSAGE, SegmentWriter
from tinker_render.tokenizer.codec import ControlToken, Piece, text_of
from tinker_render.tools.gpt_oss_typescript import namespace
from tinker_render.tools.json_calls import checked_arguments, read_call

_RECIPIENT = re.compile(r"\bto=([^\s<]+)")
_NAME = re.compile(r"[^\s<]+")
_CHANNEL, _CONSTRAIN = ControlToken("<|channel|>"), ControlToken("<|constrain|>")


@frozen(kw_only=True)
class GptOss:
    """The format with the system prompt of the training of the model, or without."""

    effort: Literal["low", "medium", "high"] | None
    """Reasoning effort in the system prompt; None leaves out the system prompt."""
    current_date: str | None = None
    """For example `2025-06-28`; None leaves out the line, so that renderings do not change."""
    control_tokens = (
        *("<|start|>", "<|channel|>", "<|message|>", "<|constrain|>"),
        *("<|end|>", "<|return|>", "<|call|>"),
    )
    stop = ("<|return|>", "<|call|>")

    def begin(self, writer: SegmentWriter, chat: Chat) -> None:
        """Write the system prompt, and the developer message with system text and tools."""
        self._system(writer, chat.tools)
        _developer(writer, chat)

    def message(self, writer: SegmentWriter, chat: Chat, i: int) -> None:
        """Write role, channel, text and end."""
        message = chat[i]
        match message.role:
            case "system" | "developer" if i == 0:
                pass  # `begin` wrote it into the developer message
            case "user":
                writer.header("<|start|>user<|message|>")
                writer.text(only_text(i, message, "gpt_oss"))
                writer.markup("<|end|>")
            case "assistant":
                _assistant(writer, chat, i)
            case "tool":
                _tool_answer(writer, chat, i)
            case role:
                raise refuse(i, message, f"gpt_oss has no form for a {role} message here")

    def read(self, pieces: Sequence[Piece], tools: Sequence[ToolSpec]) -> Reply | Malformed:
        """Read the messages of all channels."""
        reader = _Reader()
        for piece in pieces:
            reader.take(piece)
        return reader.finish()

    def stable_prefix(self, chat: Chat) -> int:
        """The messages up to the last finished answer: later ones lose their reasoning."""
        return chat.cached(last_finished_answer) + 1

    def _system(self, writer: SegmentWriter, tools: Sequence[ToolSpec]) -> None:
        if self.effort is None:
            return
        date = "" if self.current_date is None else f"Current date: {self.current_date}\n"
        commentary = "\nCalls to these tools must go to the commentary channel: 'functions'."
        writer.header(
            "<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\n"
            f"Knowledge cutoff: 2024-06\n{date}\nReasoning: {self.effort}\n\n"
            "# Valid channels: analysis, commentary, final."
            " Channel must be included for every message."
            f"{commentary if tools else ''}<|end|>"
        )


def _developer(writer: SegmentWriter, chat: Chat) -> None:
    said = chat[0].role in ("system", "developer")
    text = only_text(0, chat[0], "gpt_oss") if said else ""
    if not text and not chat.tools:
        return
    writer.start(0 if said else NO_MESSAGE, sampled=False)
    writer.header("<|start|>developer<|message|>")
    if text:
        writer.header("# Instructions\n\n")
        writer.text(text)
        writer.header("\n\n")
    if chat.tools:
        writer.header("# Tools\n\n")
        writer.header_text(namespace("functions", chat.tools))
    writer.markup("<|end|>")


def _assistant(writer: SegmentWriter, chat: Chat, i: int) -> None:
    message = chat[i]
    refuse_unparsed_calls(i, message)
    if len(message.tool_calls) > 1:
        raise refuse(i, message, "gpt_oss has no form for several tool calls in one message")
    reasoning, answer = reasoning_and_answer(i, message, "gpt_oss")
    last = i == len(chat) - 1
    finished = i < chat.cached(last_finished_answer)
    writer.header("<|start|>assistant")
    if reasoning and (last or (message.tool_calls and not finished)):
        _channel(writer, "analysis", reasoning)
    if not message.tool_calls:
        writer.markup("<|channel|>final<|message|>")
        writer.text(answer)
        writer.markup("<|return|>" if last else "<|end|>")
        return
    if answer:
        _channel(writer, "commentary", answer)
    call = message.tool_calls[0]
    if not _NAME.fullmatch(call.name):
        raise refuse(i, message, f"gpt_oss has no form for a tool called {call.name!r}")
    writer.text(f" to=functions.{call.name}")
    writer.markup("<|channel|>commentary json<|message|>")
    writer.text(checked_arguments(i, message, call))
    writer.markup("<|call|>")


def _channel(writer: SegmentWriter, name: str, text: str) -> None:
    writer.markup(f"<|channel|>{name}<|message|>")
    writer.text(text)
    writer.markup("<|end|><|start|>assistant")


def _tool_answer(writer: SegmentWriter, chat: Chat, i: int) -> None:
    message = chat[i]
    spoken = next((n for n in range(i - 1, -1, -1) if chat[n].role == "assistant"), None)
    calls = () if spoken is None else chat[spoken].tool_calls
    name = calls[0].name if calls else message.name
    if name is None:
        raise refuse(i, message, "a tool message without a name and without a call before it")
    writer.header("<|start|>")
    writer.header_text(f"functions.{name} to=assistant")
    writer.header("<|channel|>commentary<|message|>")
    writer.text(to_json(only_text(i, message, "gpt_oss")))
    writer.markup("<|end|>")


@define
class _Reader:
    """Reads a turn: a header (`<|start|>assistant`, channel, recipient), `<|message|>`, a body."""

    header: list[Piece] = field(factory=list)
    body: str | None = None
    parts: list[Part] = field(factory=list)
    calls: list[ToolCall] = field(factory=list)
    unparsed: list[UnparsedToolCall] = field(factory=list)
    problem: str | None = None

    def take(self, piece: Piece) -> None:
        """Take the next text or control token."""
        match piece:
            case ControlToken("<|message|>") if self.body is None:
                self.body = ""
            case ControlToken("<|end|>") if self.body is not None:
                self._close()
            case ControlToken("<|start|>") if self.body is None and not self.header:
                pass
            case ControlToken(text) if self.body is not None:
                self._fail(f"{text} within a message")
                self.body += text
            case _ if self.body is None:
                self.header.append(piece)
            case _:
                self.body += text_of([piece])

    def finish(self) -> Reply | Malformed:
        """The message of the turn; the last body ends with the turn."""
        if self.body is not None:
            self._close()
        elif _recipient(self.header):
            text = text_of(self.header)
            self.unparsed.append(UnparsedToolCall(text=text, reason="no arguments"))
        elif text_of(self.header).removeprefix("assistant").strip():
            self._fail(f"a header without a message: {text_of(self.header)!r:.80}")
        message = Message(
            role="assistant",
            content=tuple(self.parts),
            tool_calls=tuple(self.calls),
            unparsed_tool_calls=tuple(self.unparsed),
        )
        if self.unparsed:
            self._fail(f"invalid tool call: {self.unparsed[0].reason}")
        return Reply(message) if self.problem is None else Malformed(message, self.problem)

    def _close(self) -> None:
        header, body = self.header, self.body or ""
        self.header, self.body = [], None
        channel, recipient = _channel_of(header), _recipient(header)
        if strange := [p for p in header if isinstance(p, ControlToken) and p not in _IN_HEADER]:
            self._fail(f"{strange[0].text} within a header")
        if recipient and recipient != "assistant":
            self._add_call(recipient.removeprefix("functions."), body)
        elif channel == "analysis":
            self.parts += [ThinkingPart(body)] if body else []
        else:
            self.parts += [TextPart(body)] if body else []
            if channel not in ("final", "commentary"):
                self._fail(f"no known channel in the header {text_of(header)!r:.80}")

    def _add_call(self, name: str, arguments: str) -> None:
        call = read_call(name, arguments, text=arguments)
        if isinstance(call, ToolCall):
            self.calls.append(call)
            if len(self.calls) > 1:
                self._fail("several tool calls in one turn")
        else:
            self.unparsed.append(call)

    def _fail(self, problem: str) -> None:
        self.problem = self.problem or problem


_IN_HEADER = (_CHANNEL, _CONSTRAIN)


def _channel_of(header: Sequence[Piece]) -> str | None:
    """The first word behind the channel token."""
    if _CHANNEL not in header:
        return None
    behind = header[header.index(_CHANNEL) + 1 :]
    words = behind[0].split() if behind and isinstance(behind[0], str) else []
    return words[0] if words else None


def _recipient(header: Sequence[Piece]) -> str | None:
    """The recipient of a message: the tool of a call, in front of the channel or behind it."""
    found = _RECIPIENT.search(" ".join(piece for piece in header if isinstance(piece, str)))
    return found[1] if found else None


def no_sysprompt(*_: object) -> GptOss:
    """Without a system prompt."""
    return GptOss(effort=None)


def low_reasoning(*_: object) -> GptOss:
    """With low reasoning effort."""
    return GptOss(effort="low")


def medium_reasoning(*_: object) -> GptOss:
    """With medium reasoning effort, the default of the model."""
    return GptOss(effort="medium")


def high_reasoning(*_: object) -> GptOss:
    """With high reasoning effort."""
    return GptOss(effort="high")
