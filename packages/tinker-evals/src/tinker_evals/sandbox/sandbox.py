"""The sandbox: runs a model's program, and its tests in another process.

The expected values, the comparison and the verdict never enter the process of the program, so a
program passes only with the right answers. See `LocalJail` for the isolation of the local backend.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from attrs import field, frozen, validators

from tinker_evals.errors import GradingError
from tinker_evals.sandbox.backend import Backend, Limits
from tinker_evals.sandbox.local import LocalJail

_HARNESS = Path(__file__).with_name("harness.py")

logger = logging.getLogger(__name__)


@frozen(kw_only=True)
class SandboxResult:
    """The result of a program."""

    finished: bool
    """The program says that it reached its end. An error, an early exit and a limit prevent it."""
    passed: bool
    """The tests passed. Always False without tests."""
    timed_out: bool
    output: str
    """The end of the program's output."""
    error: str
    """The error of the program or of its tests."""
    isolated: bool
    """The program saw no other process, no network and no files of the user."""


@frozen(kw_only=True)
class Sandbox:
    """Runs programs with limits."""

    limits: Limits = field(factory=Limits)
    backend: Backend = field(factory=LocalJail)
    at_once: int = field(factory=lambda: os.cpu_count() or 1, validator=validators.gt(0))
    """Programs that run concurrently. More than there are cores take each other's time."""
    require_isolation: bool = False
    """Fail instead of warning once if the backend cannot isolate programs."""
    _slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = field(
        factory=WeakKeyDictionary, init=False, eq=False, repr=False
    )

    async def run(self, program: str) -> SandboxResult:
        """Run a Python program without tests. Raises GradingError if it cannot be started."""
        return await self._run(program, tests=None, setup="", names=())

    async def test(
        self, program: str, tests: str, *, setup: str = "", names: Sequence[str] = ()
    ) -> SandboxResult:
        """Run a Python program, then its tests in another process.

        The tests call the functions of the program by name; arguments and results cross as plain
        values (numbers, text, lists, tuples, sets, dicts). Any other result stays with the program
        and equals no plain value. `setup` runs before the tests, beside them; `names` are those of
        the program that replace built-in functions and names of `setup`.
        """
        return await self._run(program, tests=tests, setup=setup, names=names)

    async def _run(
        self, program: str, *, tests: str | None, setup: str, names: Sequence[str]
    ) -> SandboxResult:
        token = secrets.token_hex(16)
        order = {"program": program, "tests": tests, "setup": setup, "names": list(names)}
        stdin = json.dumps({**order, "token": token})
        files = {"main.py": _HARNESS.read_text()}
        slots = self._slots.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(self.at_once))
        async with slots:
            ended = await self.backend.run(files, stdin, self.limits)
        if not ended.isolated:
            self._not_isolated(ended.problem)
        verdict: dict[str, Any] = {"finished": False, "passed": False, "output": "", "error": ""}
        if not ended.timed_out and ended.stdout.startswith(token):
            verdict = json.loads(ended.stdout.removeprefix(token))
        return SandboxResult(timed_out=ended.timed_out, isolated=ended.isolated, **verdict)

    def _not_isolated(self, problem: str) -> None:
        text = (
            "programs run with limits only: they reach the network, your processes and your files "
            f"({problem})"
        )
        if self.require_isolation:
            raise GradingError(text)
        _warn_once(text)


@cache
def _warn_once(text: str) -> None:
    logger.warning(text)
