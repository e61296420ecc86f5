"""gpt-oss: the Harmony format. A turn is messages on channels: analysis, commentary, final.

Reasoning goes to analysis, a call and what is said before it to commentary, the answer to final.
The answer ends with `<|return|>` when it is emitted and with `<|end|>` ever after, and its
reasoning is dropped then.
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
    Role,
    TextPart,
    ThinkingPart,
    ToolCall,
    ToolSpec,
    UnparsedToolCall,
)
from tinker_render.format.chat import Chat, last_finished_answer
from tinker_render.format.message_text import (
    only_text,
    reasoning_and_answer,
    refuse,
)
from tinker_render.segments import NO_MESSAGE, Stream
from tinker_render.tokenizer.codec import Marker, Piece
from tinker_render.tools.gpt_oss_typescript import namespace
from tinker_render.tools.json_calls import checked_arguments, read_named_call, to_json

_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)")
_RECIPIENT = re.compile(r"to=([^\s<]+)")
_NAME = re.compile(r"[^\s<]+")


@frozen(kw_only=True)
class GptOss:
    """With the system prompt that the model was trained with, or with none."""

    effort: Literal["low", "medium", "high"] | None
    """How long to reason, said in the system prompt; None leaves the system prompt out."""
    current_date: str | None = None
    """As `2025-06-28`. None leaves the line out: a rendering must not depend on the day."""
    markers = (
        *("<|start|>", "<|channel|>", "<|message|>", "<|constrain|>"),
        *("<|end|>", "<|return|>", "<|call|>"),
    )
    stop = ("<|return|>", "<|call|>")

    def begin(self, stream: Stream, chat: Chat) -> None:
        """The system prompt, the developer's message with the system's text and the tools."""
        self._system(stream, chat.tools)
        _developer(stream, chat)

    def message(self, stream: Stream, chat: Chat, i: int) -> None:
        """Role, channel, text, end."""
        message = chat[i]
        match message.role:
            case "system" | "developer" if i == 0:
                pass  # it stands in the developer's message
            case "user":
                stream.frame("<|start|>user<|message|>")
                stream.text(only_text(i, message, "gpt_oss"))
                stream.mark("<|end|>")
            case "assistant":
                _assistant(stream, chat, i)
            case "tool":
                _tool_answer(stream, chat, i)
            case role:
                raise refuse(i, message, f"gpt_oss has a {role} message at the beginning only")

    def open(self, stream: Stream, chat: Chat, role: Role) -> None:
        """The role; the model goes on with the channel."""
        stream.frame(f"<|start|>{role}" if role == "assistant" else f"<|start|>{role}<|message|>")

    def read(self, pieces: Sequence[Piece], tools: Sequence[ToolSpec]) -> Reply | Malformed:
        """Each message on its channel."""
        reader = _Reader()
        for piece in pieces:
            reader.take(piece)
        return reader.finish()

    def settled(self, chat: Chat) -> int:
        """Up to the last finished answer: what follows that loses its reasoning."""
        return chat.once(last_finished_answer) + 1

    def _system(self, stream: Stream, tools: Sequence[ToolSpec]) -> None:
        if self.effort is None:
            return
        date = "" if self.current_date is None else f"Current date: {self.current_date}\n"
        commentary = "\nCalls to these tools must go to the commentary channel: 'functions'."
        stream.frame(
            "<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\n"
            f"Knowledge cutoff: 2024-06\n{date}\nReasoning: {self.effort}\n\n"
            "# Valid channels: analysis, commentary, final."
            " Channel must be included for every message."
            f"{commentary if tools else ''}<|end|>"
        )


def _developer(stream: Stream, chat: Chat) -> None:
    said = chat[0].role in ("system", "developer")
    text = only_text(0, chat[0], "gpt_oss") if said else ""
    if not text and not chat.tools:
        return
    stream.turn(0 if said else NO_MESSAGE, sampled=False)
    stream.frame("<|start|>developer<|message|>")
    if text:
        stream.frame("# Instructions\n\n")
        stream.text(text)
        stream.frame("\n\n")
    if chat.tools:
        stream.frame("# Tools\n\n")
        stream.aside(namespace("functions", chat.tools))
    stream.mark("<|end|>")


def _assistant(stream: Stream, chat: Chat, i: int) -> None:
    message = chat[i]
    if len(message.tool_calls) > 1 or message.unparsed_tool_calls:
        raise refuse(i, message, "gpt_oss makes one call a message, and one that can be parsed")
    reasoning, answer = reasoning_and_answer(i, message, "gpt_oss")
    last = i == len(chat) - 1
    finished = i < chat.once(last_finished_answer)
    stream.frame("<|start|>assistant")
    if reasoning and (last or (message.tool_calls and not finished)):
        _channel(stream, "analysis", reasoning)
    if not message.tool_calls:
        stream.mark("<|channel|>final<|message|>")
        stream.text(answer)
        stream.mark("<|return|>" if last else "<|end|>")
        return
    if answer:
        _channel(stream, "commentary", answer)
    call = message.tool_calls[0]
    if not _NAME.fullmatch(call.name):
        raise refuse(i, message, f"{call.name!r} is no name for a tool")
    stream.text(f" to=functions.{call.name}")
    stream.mark("<|channel|>commentary json<|message|>")
    stream.text(checked_arguments(i, message, call))
    stream.mark("<|call|>")


def _channel(stream: Stream, name: str, text: str) -> None:
    stream.mark(f"<|channel|>{name}<|message|>")
    stream.text(text)
    stream.mark("<|end|><|start|>assistant")


def _tool_answer(stream: Stream, chat: Chat, i: int) -> None:
    message = chat[i]
    spoken = next((n for n in range(i - 1, -1, -1) if chat[n].role == "assistant"), None)
    calls = () if spoken is None else chat[spoken].tool_calls
    name = calls[0].name if calls else message.name
    if name is None:
        raise refuse(i, message, "there is no call that it could answer")
    stream.frame("<|start|>")
    stream.aside(f"functions.{name} to=assistant")
    stream.frame("<|channel|>commentary<|message|>")
    stream.text(to_json(only_text(i, message, "gpt_oss")))
    stream.mark("<|end|>")


@define
class _Reader:
    """Collects headers and bodies; a header goes from `<|start|>assistant` to `<|message|>`."""

    header: str = ""
    body: str | None = None
    parts: list[Part] = field(factory=list)
    calls: list[ToolCall] = field(factory=list)
    unparsed: list[UnparsedToolCall] = field(factory=list)
    problem: str | None = None

    def take(self, piece: Piece) -> None:
        """Go on by a text or a control token."""
        match piece:
            case Marker("<|message|>") if self.body is None:
                self.body = ""
            case Marker("<|end|>") if self.body is not None:
                self._close()
            case Marker("<|start|>") if self.body is None and not self.header:
                pass
            case Marker(text) if self.body is not None:
                self.problem = self.problem or f"{text} within a message"
                self.body += text
            case Marker(text):
                self.header += text
            case text if self.body is None:
                self.header += text
            case text:
                self.body = (self.body or "") + text

    def finish(self) -> Reply | Malformed:
        """The message; a header without a body is a call that does not begin."""
        if self.body is not None:
            self._close()
        elif _RECIPIENT.search(self.header):
            self.unparsed.append(UnparsedToolCall(text=self.header, reason="no arguments"))
        elif self.header.removeprefix("assistant").strip():
            self.problem = self.problem or f"a header without a message: {self.header!r}"
        message = Message(
            role="assistant",
            content=tuple(self.parts),
            tool_calls=tuple(self.calls),
            unparsed_tool_calls=tuple(self.unparsed),
        )
        if self.unparsed and self.problem is None:
            self.problem = f"a tool call that is none: {self.unparsed[0].reason}"
        return Reply(message) if self.problem is None else Malformed(message, self.problem)

    def _close(self) -> None:
        header, body = self.header, self.body or ""
        self.header, self.body = "", None
        channel, recipient = _CHANNEL.search(header), _RECIPIENT.search(header)
        name = channel[1] if channel else None
        if recipient and recipient[1] != "assistant":
            self._add_call(recipient[1].removeprefix("functions."), body)
        elif name == "analysis":
            self.parts += [ThinkingPart(body)] if body else []
        else:
            self.parts += [TextPart(body)] if body else []
            if name not in ("final", "commentary"):
                self.problem = self.problem or f"no known channel in {header!r}"

    def _add_call(self, name: str, arguments: str) -> None:
        call = read_named_call(name, arguments, arguments)
        if isinstance(call, ToolCall):
            self.calls.append(call)
        else:
            self.unparsed.append(call)


def no_sysprompt(*_: object) -> GptOss:
    """Without a system prompt."""
    return GptOss(effort=None)


def low_reasoning(*_: object) -> GptOss:
    """Reasoning briefly."""
    return GptOss(effort="low")


def medium_reasoning(*_: object) -> GptOss:
    """Reasoning as by default."""
    return GptOss(effort="medium")


def high_reasoning(*_: object) -> GptOss:
    """Reasoning long."""
    return GptOss(effort="high")
