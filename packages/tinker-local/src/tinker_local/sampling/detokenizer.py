"""The text of tokens that come one by one: whole characters only, and nothing of a stop string."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

_UNFINISHED = "�"
_PATIENCE = 8
"""Tokens after which bytes that form no character are taken for what they are."""


@define(eq=False)
class TextStream:
    """What is taken out was never wrong: it is part of the text whatever comes next.

    A token can hold a part of a character, and its text can depend on the one before it, so text is
    the difference between two decodings.
    """

    decode: Callable[[list[int]], str]
    stops: tuple[str, ...] = ()
    stopped: bool = False
    """A stop string came; the text ends before it."""
    _context: list[int] = field(factory=list)
    """Tokens whose text is known, for decoding the pending ones."""
    _pending: list[int] = field(factory=list)
    _held: str = ""
    """Text that may be the beginning of a stop string."""

    def push(self, token: int) -> str:
        """Take a token; the text that is certain now."""
        self._pending.append(token)
        fresh = self._fresh()
        patient = len(self._pending) < _PATIENCE
        if fresh.endswith(_UNFINISHED) and patient:
            return ""
        self._context = self._pending if not fresh.endswith(_UNFINISHED) else []
        self._pending = []
        return self._release(fresh)

    def finish(self) -> str:
        """The rest, once no token follows."""
        text = self._release(self._fresh() if self._pending else "")
        rest, self._held, self._pending = self._held, "", []
        return text + rest

    def _fresh(self) -> str:
        known = self.decode(self._context)
        return self.decode(self._context + self._pending)[len(known) :]

    def _release(self, fresh: str) -> str:
        """All but what begins like a stop string, or nothing from a stop string on."""
        if self.stopped:
            return ""
        text, self._held = self._held + fresh, ""
        ends = [text.find(stop) for stop in self.stops if stop in text]
        if ends:
            self.stopped = True
            return text[: min(ends)]
        held = max((_overlap(text, stop) for stop in self.stops), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of the text begin the stop string."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)
