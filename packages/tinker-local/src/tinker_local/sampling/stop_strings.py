"""Where a sequence stops: after a stop token, or after the token that completes a stop string."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_UNFINISHED = "�"
_PATIENCE = 8
"""Tokens after which bytes that form no character are taken for what they are."""


class StopStrings:
    """Watches the text that tokens decode to, a token at a time.

    A token can hold a part of a character and a character several tokens, so text is taken from the
    difference between two decodings, and a piece that ends within a character waits for the rest.
    """

    def __init__(self, strings: Sequence[str], decode: Callable[[list[int]], str]) -> None:
        self._strings = strings
        self._decode = decode
        self._kept = max(map(len, strings)) - 1
        self._text = ""
        """What came before the pending tokens, as far back as a stop string can reach."""
        self._tokens: list[int] = []
        self._settled = 0
        """How many of `_tokens` are in `_text`; they stay as context for decoding the others."""

    def completed_by(self, token: int) -> bool:
        """Whether this token, following all earlier ones, completes a stop string."""
        self._tokens.append(token)
        known = self._decode(self._tokens[: self._settled])
        fresh = self._decode(self._tokens)[len(known) :]
        text = self._text + fresh
        if any(string in text for string in self._strings):
            return True
        pending = len(self._tokens) - self._settled
        if not fresh.endswith(_UNFINISHED) or pending >= _PATIENCE:
            self._text = text[max(0, len(text) - self._kept) :]
            self._tokens = self._tokens[self._settled :]
            self._settled = len(self._tokens)
        return False
