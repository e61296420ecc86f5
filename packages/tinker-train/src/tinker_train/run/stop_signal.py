"""Ctrl-C and SIGTERM: the first asks the loop to save and stop, the second stops it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from attrs import define


@define
class StopRequest:
    """Whether somebody wants the run to end, and who."""

    reason: str | None = None

    @property
    def is_made(self) -> bool:
        """Whether to stop after the steps that are on their way."""
        return self.reason is not None


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Turn the first SIGINT or SIGTERM into a request; the second has its usual effect.

    Python takes signals in its main thread; in another one, nothing is changed.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def first(number: int, _: FrameType | None) -> None:
        request.reason = signal.Signals(number).name
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in before:
        signal.signal(number, first)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
