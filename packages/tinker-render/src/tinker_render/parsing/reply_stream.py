"""Parse a reply while it is sampled: text, reasoning and tool calls as soon as they are certain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from tinker_core import Message, Outcome, ToolCall, ToolSpec, UnparsedToolCall
from tinker_render.parsing.reply_parser import ReplyParser
from tinker_render.tokenizer.codec import ControlToken, Piece

if TYPE_CHECKING:
    from tokenizers.decoders import DecodeStream

_END_OF_REASONING = "</think>"


@frozen
class TextDelta:
    """More text."""

    text: str


@frozen
class ThinkingDelta:
    """More reasoning."""

    thinking: str


@frozen
class ToolCallDelta:
    """A complete tool call. One that could not be parsed comes at the end of the reply."""

    call: ToolCall | UnparsedToolCall


Delta = TextDelta | ThinkingDelta | ToolCallDelta


@define
class ReplyStream:
    """Takes sampled tokens as they come. All deltas together are the message of `parse`.

    Held back until more tokens decide: an incomplete character, whitespace that the format may
    trim, the beginning of a stop sequence, and text that may turn out to be reasoning.
    """

    parser: ReplyParser
    tools: Sequence[ToolSpec] = ()
    _tokens: list[int] = field(factory=list)
    _pieces: list[Piece] = field(factory=list)
    _run: list[int] = field(factory=list)
    """The tokens since the last control token."""
    _decoder: DecodeStream = field(init=False)
    _thinking: str = ""
    _text: str = ""
    _calls: int = 0
    _ended: bool = False

    def __attrs_post_init__(self) -> None:
        self._decoder = _new_decoder()

    def feed(self, tokens: Iterable[int]) -> list[Delta]:
        """The deltas that these tokens make certain; none once the turn has ended."""
        fresh = list(tokens)
        self._tokens += fresh
        changed = [self._take(token) for token in fresh]
        return self._certain() if any(changed) and not self._ended else []

    def finish(self) -> tuple[list[Delta], Outcome]:
        """The deltas that were held back, and the outcome of the whole reply."""
        outcome = self.parser.parse(self._tokens, self.tools)
        return self._all(outcome.message), outcome

    def _take(self, token: int) -> bool:
        """True if the token completes more text."""
        codec = self.parser.codec
        if (name := codec.control_name(token)) is not None:
            self._set_text(codec.decode(self._run))
            self._pieces.append(ControlToken(name))
            self._run, self._decoder = [], _new_decoder()
            return True
        self._run.append(token)
        text = self._decoder.step(codec.backend, token)
        if not text:
            return False
        known = self._pieces[-1] if self._pieces and isinstance(self._pieces[-1], str) else ""
        self._set_text(f"{known}{text}")
        return True

    def _set_text(self, text: str) -> None:
        """Set the text since the last control token."""
        if self._pieces and isinstance(self._pieces[-1], str):
            self._pieces.pop()
        self._pieces += [text] if text else []

    def _certain(self) -> list[Delta]:
        reply = self.parser.split(self._pieces)
        self._ended = reply.ended
        message = self.parser.format.read(reply.turn, self.tools).message
        if self._ended:
            return self._all(message)
        thinking, text = self._decided(message.thinking), self._decided(message.text)
        if self._may_be_reasoning(reply.turn, thinking, text):
            return []
        at_control = isinstance(self._pieces[-1], ControlToken)
        return self._more(thinking, text, message.tool_calls if at_control else ())

    def _may_be_reasoning(self, turn: Sequence[Piece], thinking: str, text: str) -> bool:
        format_ = self.parser.format
        if _END_OF_REASONING not in format_.control_tokens:
            return False
        closed = [*turn, ControlToken(_END_OF_REASONING)]
        message = format_.read(closed, self.tools).message
        return not (message.thinking.startswith(thinking) and message.text.startswith(text))

    def _decided(self, text: str) -> str:
        """The text without an end that later tokens may remove."""
        for stop in self.parser.format.stop:
            lengths = range(min(len(stop), len(text)), 0, -1)
            begun = next((n for n in lengths if text.endswith(stop[:n])), 0)
            text = text[: len(text) - begun]
        return text.rstrip()

    def _more(
        self, thinking: str, text: str, calls: Sequence[ToolCall | UnparsedToolCall]
    ) -> list[Delta]:
        """The deltas since the last call of this method."""
        deltas: list[Delta] = []
        if len(thinking) > len(self._thinking):
            deltas.append(ThinkingDelta(thinking[len(self._thinking) :]))
            self._thinking = thinking
        if len(text) > len(self._text):
            deltas.append(TextDelta(text[len(self._text) :]))
            self._text = text
        deltas += [ToolCallDelta(call) for call in calls[self._calls :]]
        self._calls = max(self._calls, len(calls))
        return deltas

    def _all(self, message: Message) -> list[Delta]:
        calls: list[ToolCall | UnparsedToolCall] = [*message.tool_calls]
        calls += message.unparsed_tool_calls
        return self._more(message.thinking, message.text, calls)


def _new_decoder() -> DecodeStream:
    from tokenizers.decoders import DecodeStream  # not when tinker_render is imported

    return DecodeStream(skip_special_tokens=False)
