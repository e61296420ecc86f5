"""Parse a turn of the model: reasoning, text and tool calls between control tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, field, frozen

from tinker_core import (
    Malformed,
    Message,
    Part,
    Reply,
    TextPart,
    ThinkingPart,
    ToolCall,
    UnparsedToolCall,
)
from tinker_render.tokenizer.codec import ControlToken, Piece, text_of

CallReader = Callable[[Sequence[Piece]], ToolCall | UnparsedToolCall]


def text_reply(pieces: Sequence[Piece]) -> Reply | Malformed:
    """A message of text alone; a control token in it makes it malformed."""
    return read_turn(pieces, Notation()).outcome()


def from_text(read: Callable[[str], ToolCall | UnparsedToolCall]) -> CallReader:
    """A reader of calls that are text without control tokens."""
    return lambda pieces: read(text_of(pieces))


@frozen(kw_only=True)
class Notation:
    """The control tokens around reasoning and tool calls; None if the format has no such part."""

    think: tuple[str, str] | None = None
    opened: bool = False
    """The prompt has opened the reasoning already."""
    call: tuple[str, str] | None = None
    read_call: CallReader | None = None
    within_call: tuple[str, ...] = ()
    """Control tokens inside a call, which `read_call` gets as pieces."""
    around_calls: tuple[str, ...] = ()
    """Control tokens without meaning of their own: the bounds of a section of calls."""


@frozen(kw_only=True)
class Turn:
    """The parts of a turn, with their whitespace unchanged."""

    thinking: str | None
    """None if the model marked no reasoning."""
    text: str
    calls: tuple[ToolCall, ...]
    unparsed: tuple[UnparsedToolCall, ...]
    problem: str | None

    def outcome(self) -> Reply | Malformed:
        """The message of reasoning, text and calls."""
        parts: list[Part] = [ThinkingPart(self.thinking)] if self.thinking else []
        parts += [TextPart(self.text)] if self.text else []
        message = Message(
            role="assistant",
            content=tuple(parts),
            tool_calls=self.calls,
            unparsed_tool_calls=self.unparsed,
        )
        if self.problem is not None:
            return Malformed(message, self.problem)
        if self.unparsed:
            return Malformed(message, f"invalid tool call: {self.unparsed[0].reason}")
        return Reply(message)


@define
class TurnReader:
    """Takes the pieces of a turn one by one and tracks which part of the turn it is in."""

    notation: Notation
    place: str = field(init=False)
    """`thinking`, `text` or `call`."""
    thinking: str | None = None
    text: str = ""
    call: list[Piece] = field(factory=list)
    calls: list[ToolCall] = field(factory=list)
    unparsed: list[UnparsedToolCall] = field(factory=list)
    problem: str | None = None

    def __attrs_post_init__(self) -> None:
        self.place = "thinking" if self.notation.opened else "text"
        self.thinking = "" if self.notation.opened else None

    def take(self, piece: Piece) -> None:
        """Take the next text or control token."""
        if isinstance(piece, str):
            self._add(piece)
        elif not self._moves(piece):
            self.problem = self.problem or f"{piece.text} within the {self.place}"
            self._add(piece.text)

    def _moves(self, token: ControlToken) -> bool:
        """True if the control token is allowed here; moves to the part that it begins."""
        think, call = self.notation.think or ("", ""), self.notation.call or ("", "")
        match (self.place, token.text):
            case ("text", m) if m == think[0] and self.thinking is None and not self.text.strip():
                self.place, self.thinking, self.text = "thinking", "", ""
            case ("thinking", m) if m == think[1]:
                self.place = "text"
            case ("text", m) if m == call[0]:
                self.place, self.call = "call", []
            case ("call", m) if m == call[1]:
                self._end_call()
            case ("call", m) if m in self.notation.within_call:
                self.call.append(token)
            case ("text", m) if m in self.notation.around_calls:
                pass
            case _:
                return False
        return True

    def _add(self, text: str) -> None:
        match self.place:
            case "thinking":
                self.thinking = (self.thinking or "") + text
            case "call":
                self.call.append(text)
            case _ if self.calls or self.unparsed:
                self._add_behind_call(text)
            case _:
                self.text += text

    def _add_behind_call(self, text: str) -> None:
        if text.strip():
            self.problem = self.problem or "text behind a tool call"
            self.text += text

    def _end_call(self) -> None:
        assert self.notation.read_call is not None
        result = self.notation.read_call(self.call)
        if isinstance(result, ToolCall):
            self.calls.append(result)
        else:
            self.unparsed.append(result)
        self.place = "text"

    def finish(self) -> Turn:
        """The turn; a part that was not closed is a problem."""
        if self.place == "thinking":
            self.problem = self.problem or "the reasoning does not end"
        if self.place == "call":
            reason = "the call does not end"
            self.unparsed.append(UnparsedToolCall(text=text_of(self.call), reason=reason))
        return Turn(
            thinking=self.thinking,
            text=self.text,
            calls=tuple(self.calls),
            unparsed=tuple(self.unparsed),
            problem=self.problem,
        )


def read_turn(pieces: Sequence[Piece], notation: Notation) -> Turn:
    """The parts of a turn of the model."""
    reader = TurnReader(notation)
    for piece in pieces:
        reader.take(piece)
    return reader.finish()
