"""The sandbox: a child process with limits that runs a model's program.

The child has no environment variables, no standard input, its own folder, limits on processor time,
memory, file size and open files, and, on Linux, its own network without a way out. That stops
accidents (an endless loop, a full disk, a request to a server), not attacks: the program runs as
the user and reads what the user can read, sockets in the file system included. Set `command` to run
it in a container or with `bwrap` where that matters.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import signal
import sys
import tempfile
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import BinaryIO, Literal
from weakref import WeakKeyDictionary

from attrs import field, frozen, validators

from tinker_core.validators import positive
from tinker_evals.errors import GradingError

_SHOWN = 2_000
"""Characters of the end of the output that are kept."""

Network = Literal["cut", "cut_if_possible", "open"]

logger = logging.getLogger(__name__)


@frozen(kw_only=True)
class SandboxResult:
    """The result of a program."""

    passed: bool
    """The program reached its end: no error, no early exit, no limit."""
    timed_out: bool
    output: str
    """The end of its output."""
    network_cut: bool
    """The program could not reach any address, including this machine's."""


@frozen(kw_only=True)
class Sandbox:
    """Runs programs with limits."""

    seconds: float = field(default=10.0, validator=positive)
    """Limit of wall-clock time and of processor time."""
    memory_mb: int = field(default=1024, validator=validators.gt(0))
    file_mb: int = field(default=16, validator=validators.gt(0))
    """Largest file that a program may write."""
    at_once: int = field(factory=lambda: os.cpu_count() or 1, validator=validators.gt(0))
    """Programs that run concurrently. More than there are cores take each other's time."""
    network: Network = field(
        default="cut_if_possible", validator=validators.in_(["cut", "cut_if_possible", "open"])
    )
    """Give programs a network. Some systems cannot cut it off (other than Linux, or without
    user namespaces, as in many containers): then `cut` fails, and `cut_if_possible` warns once."""
    command: tuple[str, ...] = (sys.executable, "-I", "-S")
    """Command that runs the Python file given as its last argument."""
    _slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = field(
        factory=WeakKeyDictionary, init=False, eq=False, repr=False
    )

    async def run(self, program: str) -> SandboxResult:
        """Run a Python program. Raises GradingError if it cannot be started."""
        token = secrets.token_hex(16)
        order = {"program": program, "token": token, "network": self.network}
        limits = {"memory": self.memory_mb << 20, "file": self.file_mb << 20}
        slots = self._slots.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(self.at_once))
        async with slots:
            ran = await self._run({**order, **limits, "cpu": int(self.seconds) + 1}, token)
        if not ran.network_cut and self.network != "open":
            self._warn_open()
        return ran

    def _warn_open(self) -> None:
        forbidden = "this system does not let a program's network be cut off"
        if self.network == "cut":
            raise GradingError(f"{forbidden}: use Sandbox(command=...) or network='open'")
        _warn_once(f"{forbidden}: the programs that are tested here can use it")

    async def _run(self, order: dict[str, object], token: str) -> SandboxResult:
        with (
            as_file(files("tinker_evals.sandbox") / "child.py") as child,
            tempfile.TemporaryDirectory(prefix="tinker-evals-") as folder,
        ):
            # A file, not a pipe: its size has a limit, and no process left behind holds it open.
            output = Path(folder, "output")
            with output.open("wb") as sink:
                timed_out, status = await self._child(str(child), folder, sink, order)
            text = output.read_bytes().decode(errors="replace").rstrip()
        passed = status == 0 and text.endswith(f"\n{token}")
        shown = text.replace(token, "").strip()[-_SHOWN:]
        cut = self.network != "open" and not text.startswith(token)
        return SandboxResult(passed=passed, timed_out=timed_out, output=shown, network_cut=cut)

    async def _child(
        self, child: str, folder: str, sink: BinaryIO, order: dict[str, object]
    ) -> tuple[bool, int]:
        """A pair: True if the time limit was exceeded, and the exit status."""
        home = Path(folder, "home")
        home.mkdir()
        try:
            process = await asyncio.create_subprocess_exec(
                *self.command,
                child,
                stdin=asyncio.subprocess.PIPE,
                stdout=sink,
                stderr=asyncio.subprocess.STDOUT,
                cwd=home,
                env={"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"},
                start_new_session=True,
            )
        except OSError as error:
            raise GradingError(f"the sandbox {self.command[0]} does not start: {error}") from error
        timed_out = False
        try:
            async with asyncio.timeout(self.seconds):
                await process.communicate(json.dumps(order).encode())
        except TimeoutError:
            timed_out = True
        finally:
            _kill_group(process.pid)  # with the processes that it started
            status = await process.wait()
        return timed_out, status


@cache
def _warn_once(text: str) -> None:
    logger.warning(text)


def _kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
