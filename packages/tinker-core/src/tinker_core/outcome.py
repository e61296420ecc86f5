"""What came of parsing a model's tokens: three cases to match on, never a truth value."""

from __future__ import annotations

from attrs import frozen

from tinker_core.messages import Message


@frozen
class Reply:
    """The model finished its turn."""

    message: Message


@frozen
class CutShort:
    """The tokens end before the turn does, as when `max_tokens` ran out."""

    message: Message
    """What there is of it."""


@frozen
class Malformed:
    """The turn ended, but not in the shape that the renderer's family uses."""

    message: Message
    """The best reading of it."""
    reason: str


Outcome = Reply | CutShort | Malformed
