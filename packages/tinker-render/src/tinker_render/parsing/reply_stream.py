"""A reply while it is sampled: its text, reasoning and tool calls as soon as they are certain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from tinker_core import Message, Outcome, ToolCall, ToolSpec, UnparsedToolCall
from tinker_render.tokenizer.codec import Marker, Piece

if TYPE_CHECKING:
    from tinker_render.renderer import Renderer

_BROKEN = "\ufffd"  # what half a character is decoded to
_END_OF_REASONING = "</think>"


@frozen
class TextDelta:
    """More of the text."""

    text: str


@frozen
class ThinkingDelta:
    """More of the reasoning."""

    thinking: str


@frozen
class ToolCallDelta:
    """A whole call, once it has ended, or, when the reply has, text in the place of one."""

    call: ToolCall | UnparsedToolCall


Delta = TextDelta | ThinkingDelta | ToolCallDelta


@define
class ReplyStream:
    """Takes sampled tokens as they come. The deltas together are what `parse_response` reads.

    Held back until what follows decides: half a character, whitespace that the family may trim,
    the beginning of a stop sequence, and text that may turn out to be reasoning.
    """

    renderer: Renderer
    tools: Sequence[ToolSpec] = ()
    _tokens: list[int] = field(factory=list)
    _pieces: list[Piece] = field(factory=list)
    _run: list[int] = field(factory=list)
    """The tokens since the last control token; those of `_whole` make whole characters."""
    _before: int = 0
    _whole: int = 0
    _thinking: str = ""
    _text: str = ""
    _calls: int = 0
    _ended: bool = False

    def feed(self, tokens: Iterable[int]) -> list[Delta]:
        """What these tokens have made certain; nothing any more once the turn has ended."""
        fresh = list(tokens)
        self._tokens += fresh
        changed = [self._take(token) for token in fresh]
        return self._certain() if any(changed) and not self._ended else []

    def finish(self) -> tuple[list[Delta], Outcome]:
        """The deltas that were held back, and the outcome as `parse_response` gives it."""
        outcome = self.renderer.parse_response(self._tokens, tools=self.tools)
        return self._all(outcome.message), outcome

    def _take(self, token: int) -> bool:
        """Whether there is more to read."""
        codec = self.renderer.codec
        if token in codec.control_names:
            self._replace_text(codec.decode(self._run))
            self._pieces.append(Marker(codec.control_names[token]))
            self._run, self._before, self._whole = [], 0, 0
            return True
        self._run.append(token)
        # Some tokenizers drop a space at the beginning: a token before the new ones keeps it.
        known = codec.decode(self._run[self._before : self._whole])
        text = codec.decode(self._run[self._before :])
        if text.endswith(_BROKEN):
            return False
        old = self._pieces[-1] if self._whole else ""
        self._replace_text(f"{old}{text[len(known) :]}")
        self._before, self._whole = self._whole, len(self._run)
        return True

    def _replace_text(self, text: str) -> None:
        """The text since the last control token."""
        if self._pieces and isinstance(self._pieces[-1], str):
            self._pieces.pop()
        self._pieces += [text] if text else []

    def _certain(self) -> list[Delta]:
        turn, self._ended, _ = self.renderer.end_of_turn(self._pieces)
        message = self.renderer.format.read(turn, self.tools).message
        if self._ended:
            return self._all(message)
        thinking = self._settled(message.thinking)
        text = self._settled(message.text)
        if self._may_be_reasoning(turn, thinking, text):
            return []
        at_marker = isinstance(self._pieces[-1], Marker)
        return self._more(thinking, text, message.tool_calls if at_marker else ())

    def _may_be_reasoning(self, turn: Sequence[Piece], thinking: str, text: str) -> bool:
        if _END_OF_REASONING not in self.renderer.format.markers:
            return False
        closed = [*turn, Marker(_END_OF_REASONING)]
        message = self.renderer.format.read(closed, self.tools).message
        return not (message.thinking.startswith(thinking) and message.text.startswith(text))

    def _settled(self, text: str) -> str:
        """Without the end that what follows may take away."""
        for stop in self.renderer.format.stop:
            lengths = range(min(len(stop), len(text)), 0, -1)
            begun = next((n for n in lengths if text.endswith(stop[:n])), 0)
            text = text[: len(text) - begun]
        return text.rstrip()

    def _more(
        self, thinking: str, text: str, calls: Sequence[ToolCall | UnparsedToolCall]
    ) -> list[Delta]:
        """What has been added to each; kept in mind."""
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
