"""Reading a turn of the model: what families share."""

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
from tinker_render.tokenizer.codec import Piece

CallReader = Callable[[str], ToolCall | UnparsedToolCall]


def as_text(pieces: Sequence[Piece]) -> Reply | Malformed:
    """A message of text alone; a control token in it is kept as text and makes it malformed."""
    turn = read_turn(pieces, Notation())
    return turn.outcome()


@frozen(kw_only=True)
class Notation:
    """Which control tokens bound a model's reasoning and its tool calls; None where it has none."""

    think: tuple[str, str] | None = None
    opened: bool = False
    """The prompt has opened the reasoning already."""
    call: tuple[str, str] | None = None
    read_call: CallReader | None = None
    within_call: tuple[str, ...] = ()
    """Control tokens that are handed to `read_call` as text."""
    around_calls: tuple[str, ...] = ()
    """Control tokens that say nothing: the bounds of a section of calls."""


@frozen(kw_only=True)
class Turn:
    """A turn taken apart, its whitespace as it was."""

    thinking: str | None
    """None where the model did not mark any."""
    text: str
    calls: tuple[ToolCall, ...]
    unparsed: tuple[UnparsedToolCall, ...]
    problem: str | None

    def outcome(self) -> Reply | Malformed:
        """The message: its reasoning, its text, its calls."""
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
            return Malformed(message, f"a tool call that is none: {self.unparsed[0].reason}")
        return Reply(message)


@define
class Reader:
    """Takes pieces one by one and knows which part of a turn it is in."""

    notation: Notation
    place: str = field(init=False)
    """`thinking`, `text` or `call`."""
    thinking: str | None = None
    text: str = ""
    call: str = ""
    calls: list[ToolCall] = field(factory=list)
    unparsed: list[UnparsedToolCall] = field(factory=list)
    problem: str | None = None

    def __attrs_post_init__(self) -> None:
        self.place = "thinking" if self.notation.opened else "text"
        self.thinking = "" if self.notation.opened else None

    def take(self, piece: Piece) -> None:
        """Go on by a text or a control token."""
        if isinstance(piece, str):
            self._add(piece)
        elif not self._moves(piece.text):
            self.problem = self.problem or f"{piece.text} within the {self.place}"
            self._add(piece.text)

    def _moves(self, marker: str) -> bool:
        """Whether the marker leads from the place we are in to another one."""
        think, call = self.notation.think or ("", ""), self.notation.call or ("", "")
        match (self.place, marker):
            case ("text", m) if m == think[0] and self.thinking is None and not self.text.strip():
                self.place, self.thinking, self.text = "thinking", "", ""
            case ("thinking", m) if m == think[1]:
                self.place = "text"
            case ("text", m) if m == call[0]:
                self.place, self.call = "call", ""
            case ("call", m) if m == call[1]:
                self._end_call()
            case ("call", m) if m in self.notation.within_call:
                self.call += m
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
                self.call += text
            case _ if self.calls or self.unparsed:
                self._add_after_call(text)
            case _:
                self.text += text

    def _add_after_call(self, text: str) -> None:
        if text.strip():
            self.problem = self.problem or "text after a tool call"
            self.text += text

    def _end_call(self) -> None:
        read = self.notation.read_call
        result = read(self.call) if read else UnparsedToolCall(text=self.call, reason="unknown")
        if isinstance(result, ToolCall):
            self.calls.append(result)
        else:
            self.unparsed.append(result)
        self.place = "text"

    def finish(self) -> Turn:
        """What there is; a part left open is a problem."""
        if self.place == "thinking":
            self.problem = self.problem or "the reasoning does not end"
        if self.place == "call":
            self.unparsed.append(UnparsedToolCall(text=self.call, reason="the call does not end"))
        return Turn(
            thinking=self.thinking,
            text=self.text,
            calls=tuple(self.calls),
            unparsed=tuple(self.unparsed),
            problem=self.problem,
        )


def read_turn(pieces: Sequence[Piece], notation: Notation) -> Turn:
    """A turn of the model taken apart."""
    reader = Reader(notation)
    for piece in pieces:
        reader.take(piece)
    return reader.finish()
