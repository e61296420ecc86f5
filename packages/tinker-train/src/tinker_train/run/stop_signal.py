"""Ctrl-C and SIGTERM: the first requests a save and a stop, the second has its usual effect."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from attrs import define


@define
class StopRequest:
    """A request to stop the run, once it is made."""

    reason: str | None = None
    """Name of the signal; None without a request."""

    @property
    def is_made(self) -> bool:
        """True if the loop is to save and stop after the submitted steps."""
        return self.reason is not None


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Turn the first SIGINT or SIGTERM into a request; the second has its usual effect.

    Signals reach the main thread alone; in another thread nothing is changed.
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
