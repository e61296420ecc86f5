"""Running a model's program apart from ours, with limits.

A child process: no environment, no standard input, a folder of its own, limits on processor time,
memory, file size and open files, and, on Linux, a network of its own that leads nowhere. That stops
accidents (an endless loop, a full disk, a request to somebody's server), not an attack: the program
runs as the user and reads what the user can read, sockets that lie in the file system included.
Where that matters, `command` puts a container or `bwrap` in front.
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

from tinker_evals.errors import GradingError

_SHOWN = 2_000
"""Characters of a failure's end that are kept."""

Network = Literal["cut", "cut_if_possible", "open"]

logger = logging.getLogger(__name__)


@frozen(kw_only=True)
class Ran:
    """What came of a program."""

    passed: bool
    """It reached its end: no error, no early exit, no limit."""
    timed_out: bool
    output: str
    """The end of what it said."""
    network_cut: bool
    """It could reach no other machine, nor this one."""


@frozen(kw_only=True)
class Sandbox:
    """How programs are run."""

    seconds: float = field(default=10.0, validator=validators.gt(0))
    """Of wall clock and of processor time."""
    memory_mb: int = field(default=1024, validator=validators.gt(0))
    file_mb: int = field(default=16, validator=validators.gt(0))
    """Largest file that it may write."""
    at_once: int = field(factory=lambda: os.cpu_count() or 1, validator=validators.gt(0))
    """Programs that run at the same time: more would use up each other's seconds."""
    network: Network = field(
        default="cut_if_possible", validator=validators.in_(["cut", "cut_if_possible", "open"])
    )
    """Whether programs are cut off from it. Some systems forbid that (not Linux, or no user
    namespaces, as in many containers): then `cut` fails, and `cut_if_possible` says so once."""
    command: tuple[str, ...] = (sys.executable, "-I", "-S")
    """What runs a Python file that is given as its last argument."""
    _slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = field(
        factory=WeakKeyDictionary, init=False, eq=False, repr=False
    )

    async def run(self, program: str) -> Ran:
        """Run a Python program. Raises GradingError where that cannot be done at all."""
        token = secrets.token_hex(16)
        order = {"program": program, "token": token, "network": self.network}
        limits = {"memory": self.memory_mb << 20, "file": self.file_mb << 20}
        slots = self._slots.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(self.at_once))
        async with slots:
            ran = await self._run({**order, **limits, "cpu": int(self.seconds) + 1}, token)
        if not ran.network_cut and self.network != "open":
            self._say_open()
        return ran

    def _say_open(self) -> None:
        forbidden = "this system does not let a program's network be cut off"
        if self.network == "cut":
            raise GradingError(f"{forbidden}: use Sandbox(command=...) or network='open'")
        _say_once(f"{forbidden}: the programs that are tested here can use it")

    async def _run(self, order: dict[str, object], token: str) -> Ran:
        with (
            as_file(files("tinker_evals.sandbox") / "child.py") as child,
            tempfile.TemporaryDirectory(prefix="tinker-evals-") as folder,
        ):
            # A file, not a pipe: it has a limit, and a process left behind cannot hold it open.
            output = Path(folder, "output")
            with output.open("wb") as sink:
                timed_out, status = await self._child(str(child), folder, sink, order)
            text = output.read_bytes().decode(errors="replace").rstrip()
        passed = status == 0 and text.endswith(f"\n{token}")
        shown = text.replace(token, "").strip()[-_SHOWN:]
        cut = self.network != "open" and not text.startswith(token)
        return Ran(passed=passed, timed_out=timed_out, output=shown, network_cut=cut)

    async def _child(
        self, child: str, folder: str, sink: BinaryIO, order: dict[str, object]
    ) -> tuple[bool, int]:
        """Whether the time ran out, and the exit status."""
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
            _kill_group(process.pid)  # and whatever it started
            status = await process.wait()
        return timed_out, status


@cache
def _say_once(text: str) -> None:
    logger.warning(text)


def _kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
