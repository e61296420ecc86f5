"""The progress line of a run: items done, the score so far, and the time left."""

from __future__ import annotations

import time

from attrs import define, field
from rich.console import Console

from tinker_evals.run.runner import Tally

_INTERVAL_S = {True: 0.5, False: 10.0}
"""Seconds between two lines: on a terminal, where a line replaces the last one, and elsewhere."""


@define
class ProgressLine:
    """Prints a run's tally from time to time."""

    task: str
    console: Console
    _began: float = field(factory=time.monotonic)
    _last: float = field(factory=time.monotonic)

    def __call__(self, tally: Tally) -> None:
        """Called after every item."""
        now, ends = time.monotonic(), tally.stored + tally.finished == tally.items
        if not ends and now - self._last < _INTERVAL_S[self.console.is_terminal]:
            return
        self._last = now
        over = "\r" if self.console.is_terminal else ""
        end = "\n" if ends or not over else ""
        self.console.print(f"{over}{self._line(tally, now)}", end=end, markup=False)

    def _line(self, tally: Tally, now: float) -> str:
        done = tally.stored + tally.finished
        rate = tally.finished / max(now - self._began, 1e-9)
        parts = [self.task, f"{done}/{tally.items}"]
        parts += [f"{name} {value}" for name, value in [*tally.summary().scores.items()][:1]]
        if tally.errored:
            parts.append(f"{len(tally.errored)} errored")
        if rate and done < tally.items:
            parts.append(f"{_clock((tally.items - done) / rate)} left")
        return "  ".join(parts)


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
