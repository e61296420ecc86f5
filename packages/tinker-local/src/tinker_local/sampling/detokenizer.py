"""Incremental detokenization: the text of tokens that come one by one, in whole characters."""

from __future__ import annotations

from typing import Any

from tokenizers.decoders import DecodeStream

from tinker_local.errors import RequestError

_MAX_PENDING = 8
"""After so many tokens, bytes that form no character are released as U+FFFD."""


class Detokenizer:
    """Wraps `tokenizers.decoders.DecodeStream` so that invalid bytes neither stop it nor fail."""

    def __init__(self, tokenizer: Any, *, skip_special_tokens: bool) -> None:
        self._backend: Any = getattr(tokenizer, "backend_tokenizer", None)
        if self._backend is None:
            raise RequestError(
                f"{type(tokenizer).__name__} is not of the tokenizers library: stop strings and "
                "text need one that is; use tokens"
            )
        self._skip_special_tokens = skip_special_tokens
        self._reset()

    def _reset(self) -> None:
        self._stream = DecodeStream(skip_special_tokens=self._skip_special_tokens)
        self._pending: list[int] = []
        """Tokens whose text is not released yet."""

    def push(self, token: int) -> str:
        """The text that this token completes; none while a character is incomplete."""
        self._pending.append(token)
        try:
            text = self._stream.step(self._backend, token)
        except Exception:  # noqa: BLE001 - its only error: this token changes text that is released
            return self.flush()
        if text is None:
            return self.flush() if len(self._pending) >= _MAX_PENDING else ""
        self._pending = []
        return str(text)

    def pending_text(self) -> str:
        """The text of the tokens that are not released, with U+FFFD for incomplete characters."""
        if not self._pending:
            return ""
        return str(
            self._backend.decode(self._pending, skip_special_tokens=self._skip_special_tokens)
        )

    def flush(self) -> str:
        """Release the pending text."""
        text = self.pending_text()
        self._reset()
        return text
