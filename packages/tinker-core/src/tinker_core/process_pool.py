"""Calls that can be killed: one function, in a few warm processes, with a limit on its time.

A thread cannot be stopped, and `2**10**10` holds the interpreter's lock until it is done. Grading
of a model's output that can run away belongs in such a pool.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from attrs import Factory, define, field, frozen, validators

from tinker_core.validators import positive

_CHILD = Path(__file__).with_name("process_pool_child.py")
_START_SECONDS = 120
"""Limit of the imports of the function's module."""


class CallKilledError(RuntimeError):
    """A call that took too long, or whose process died."""


@frozen(eq=False)
class _Process:
    popen: subprocess.Popen[bytes]
    pipe: Connection

    def call(self, arguments: object, seconds: float) -> Any:
        """The result. Raises CallKilledError, after which this process is dead."""
        try:
            self.pipe.send(arguments)
            if not self.pipe.poll(seconds):
                raise CallKilledError(f"the call was killed after {seconds:g} s")
            succeeded, value = self.pipe.recv()
        except (EOFError, OSError) as error:
            raise CallKilledError(f"its process died with status {self.kill()}") from error
        except BaseException:
            self.kill()
            raise
        if not succeeded:
            raise value
        return value

    def kill(self) -> int:
        self.popen.kill()
        self.pipe.close()
        _running.discard(self)
        return self.popen.wait()


_running: set[_Process] = set()


@atexit.register
def _kill_all() -> None:
    for process in list(_running):
        process.popen.kill()
        process.popen.wait()


@define(eq=False)
class ProcessPool:
    """Calls one function in up to `size` processes, which start when they are needed.

    Threads and event loops may share a pool. Arguments and results are pickled.
    """

    function: str
    """`package.module:function` or `/path/to/file.py:function`; only that module is imported."""
    seconds: float = field(default=5.0, validator=positive)
    """Limit of one call."""
    size: int = field(factory=lambda: os.cpu_count() or 1, validator=validators.ge(1))
    memory_mb: int = field(default=4096, validator=validators.gt(0))
    """Limit on the address space of each process (Linux)."""
    _idle: list[_Process] = field(factory=list, init=False, repr=False)
    _room: threading.Semaphore = field(
        default=Factory(lambda self: threading.Semaphore(self.size), takes_self=True),
        init=False,
        repr=False,
    )

    def call(self, *arguments: Any) -> Any:
        """The function's result. Blocks while all processes are busy.

        Raises the function's own error, or CallKilledError for a call that exceeds the limit or
        ends its process.
        """
        with self._process() as process:
            return process.call(arguments, self.seconds)

    async def call_async(self, *arguments: Any) -> Any:
        """Do the same as `call`, without blocking the event loop."""
        return await asyncio.to_thread(self.call, *arguments)

    def close(self) -> None:
        """End the idle processes. A later call starts new ones."""
        while self._idle:
            self._idle.pop().kill()

    @contextmanager
    def _process(self) -> Iterator[_Process]:
        with self._room:
            process = self._take()
            try:
                yield process
            finally:
                if process in _running:
                    self._idle.append(process)

    def _take(self) -> _Process:
        while self._idle:
            process = self._idle.pop()
            if process.popen.poll() is None:
                return process
            process.kill()  # it was ended from outside
        return self._start()

    def _start(self) -> _Process:
        ours, theirs = Pipe()
        with theirs:
            popen = subprocess.Popen(
                [sys.executable, str(_CHILD), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C ends the parent, which closes the pipe
            )
        process = _Process(popen, ours)
        _running.add(process)
        order = (self.function, sys.path, self.memory_mb << 20, self.seconds)
        try:
            process.call(order, _START_SECONDS)
        except BaseException:
            process.kill()
            raise
        return process
