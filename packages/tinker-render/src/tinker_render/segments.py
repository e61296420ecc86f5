"""What a format writes: pieces of text and markup that know whose they are."""

from __future__ import annotations

from typing import NamedTuple

from attrs import define, field
from tinker.types import ImageChunk

NO_MESSAGE = -1
"""The message index of what belongs to no message: a BOS token, a default system prompt."""


class Segment(NamedTuple):  # there are dozens in a conversation: these are made and compared fast
    """A piece of a conversation and its origin.

    Markers in `text` become control tokens if it is `markup`, which only a format's code writes;
    those in what a person, a tool or a model wrote never do.
    """

    text: str
    markup: bool
    message: int
    content: bool
    """What the message says, the end of its turn included; not the header around it."""
    sampled: bool
    """The model would emit it."""
    image: ImageChunk | None = None


@define
class Stream:
    """Collects segments. `turn` says whose the next ones are."""

    segments: list[Segment] = field(factory=list)
    _message: int = NO_MESSAGE
    _sampled: bool = False

    def turn(self, message: int, *, sampled: bool) -> None:
        """What follows belongs to `message`; `sampled` if the model would emit its content."""
        self._message = message
        self._sampled = sampled

    def frame(self, markup: str) -> None:
        """Markup around a message: the model is given it and never emits it."""
        self.segments.append(Segment(markup, True, self._message, False, False))

    def mark(self, markup: str) -> None:
        """Markup within a message: the end of its turn, the bounds of its reasoning."""
        self.segments.append(Segment(markup, True, self._message, True, self._sampled))

    def text(self, text: str) -> None:
        """Words of a message."""
        self.segments.append(Segment(text, False, self._message, True, self._sampled))

    def aside(self, text: str) -> None:
        """Words around a message that are not our own: the declaration of a tool."""
        self.segments.append(Segment(text, False, self._message, False, False))

    def image(self, chunk: ImageChunk) -> None:
        """A picture in a message."""
        self.segments.append(Segment("", False, self._message, True, False, chunk))
