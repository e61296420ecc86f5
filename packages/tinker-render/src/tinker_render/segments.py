"""Segments: pieces of text and markup with their origin, as a format writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from attrs import define, field
from tinker.types import ImageChunk

NO_MESSAGE = -1
"""Message index of tokens that belong to no message: a BOS token, a default system prompt."""


class Segment(NamedTuple):  # a conversation has dozens; a NamedTuple is fast to make and compare
    """A piece of a conversation and its origin.

    Control tokens spelled in `text` become control tokens only if it is `markup`, which only the
    code of a format writes. Text of a person, a tool or a model never becomes one.
    """

    text: str
    markup: bool
    message: int
    content: bool
    """Part of the content of the message, including the end of its turn; not of its header."""
    sampled: bool
    """The model emits it."""
    image: ImageChunk | None = None


@define
class SegmentWriter:
    """Collects segments. `start` sets the message that the next segments belong to."""

    segments: list[Segment] = field(factory=list)
    _message: int = NO_MESSAGE
    _sampled: bool = False

    def start(self, message: int, *, sampled: bool) -> None:
        """Begin `message`; `sampled` if the model emits its content."""
        self._message = message
        self._sampled = sampled

    def header(self, markup: str) -> None:
        """Markup around a message that the prompt supplies and the model never emits."""
        self.segments.append(Segment(markup, True, self._message, False, False))

    def header_text(self, text: str) -> None:
        """Text in a header: the name of a tool, a tool declaration."""
        self.segments.append(Segment(text, False, self._message, False, False))

    def markup(self, markup: str) -> None:
        """Markup in the content of a message: the end of its turn, bounds of its reasoning."""
        self.segments.append(Segment(markup, True, self._message, True, self._sampled))

    def text(self, text: str) -> None:
        """Text in the content of a message."""
        self.segments.append(Segment(text, False, self._message, True, self._sampled))

    def image(self, chunk: ImageChunk) -> None:
        """An image in the content of a message."""
        self.segments.append(Segment("", False, self._message, True, False, chunk))


def emission(segments: Sequence[Segment]) -> list[Segment]:
    """The segments of an assistant message up to the last one that the model emits."""
    last = max(i for i, segment in enumerate(segments) if segment.sampled)
    return [*segments[: last + 1]]


def opening(segments: Sequence[Segment], message: int) -> list[Segment]:
    """The segments before the content of the message: what a prompt for it ends with."""
    ends = (i for i, s in enumerate(segments) if s.content and s.message == message)
    return [*segments[: next(ends, len(segments))]]


def as_emitted(segments: Sequence[Segment], message: int) -> list[Segment]:
    """The segments with the content of the message marked as emitted by the model."""
    return [s._replace(sampled=s.content) if s.message == message else s for s in segments]
