"""The outcome of parsing sampled tokens: `Reply`, `CutShort` or `Malformed`, to match on."""

from __future__ import annotations

from attrs import frozen

from tinker_core.messages import Message


@frozen
class Reply:
    """The model finished its turn."""

    message: Message


@frozen
class CutShort:
    """The tokens end before the turn, usually because `max_tokens` was reached."""

    message: Message
    """The message as far as it was sampled."""


@frozen
class Malformed:
    """The turn ended, but it is not in the format of the renderer's model family."""

    message: Message
    """The message as far as it could be read."""
    reason: str


Outcome = Reply | CutShort | Malformed
