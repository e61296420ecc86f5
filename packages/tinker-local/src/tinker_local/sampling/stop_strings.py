"""Stop strings: finding the token that completes one, and cutting the text before it."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field

from tinker_local.sampling.detokenizer import Detokenizer


@define(eq=False)
class StopStringMatcher:
    """Finds the token that completes a stop string."""

    strings: Sequence[str]
    detokenizer: Detokenizer
    _tail: str = ""
    """The released text, as far back as a stop string can reach."""

    def completed_by(self, token: int) -> bool:
        """This token, after all earlier ones, completes a stop string."""
        self._tail += self.detokenizer.push(token)
        # The pending text counts too: a token may complete a stop string and begin a character.
        text = self._tail + self.detokenizer.pending_text()
        if any(string in text for string in self.strings):
            return True
        kept = max(map(len, self.strings)) - 1
        self._tail = self._tail[max(0, len(self._tail) - kept) :]
        return False


@define(eq=False)
class TextBeforeStop:
    """The text of a sample before its first stop string, as its tokens come.

    Released text is never taken back. Text that may begin a stop string is held for the moment.
    """

    detokenizer: Detokenizer
    strings: tuple[str, ...] = ()
    stopped: bool = False
    """A stop string came."""
    _held: str = field(default="", init=False)

    def push(self, token: int) -> str:
        """The text that this token releases."""
        return self._release(self.detokenizer.push(token))

    def finish(self) -> str:
        """The rest of the text, when no token follows."""
        text = self._release(self.detokenizer.flush())
        rest, self._held = self._held, ""
        return text + rest

    def _release(self, text: str) -> str:
        if self.stopped:
            return ""
        text, self._held = self._held + text, ""
        starts = [text.find(string) for string in self.strings if string in text]
        if starts:
            self.stopped = True
            return text[: min(starts)]
        held = max((_overlap(text, string) for string in self.strings), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]


def _overlap(text: str, string: str) -> int:
    """The number of characters at the end of the text that begin the stop string."""
    longest = min(len(text), len(string) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(string[:n])), 0)
