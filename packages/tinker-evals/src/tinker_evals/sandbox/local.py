"""The local jail as a backend."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from tinker_evals.errors import GradingError
from tinker_evals.sandbox.backend import Ended, Limits

_JAIL = Path(__file__).with_name("jail.py")
_GRACE = 5.0
"""Seconds after the limit in which the jail ends by itself."""


@frozen(kw_only=True)
class LocalJail:
    """New user, PID, mount, network, IPC and UTS namespaces on Linux; elsewhere limits only."""

    isolate: bool = True
    """False runs programs with limits only."""

    async def run(self, files: Mapping[str, str], stdin: str, limits: Limits) -> Ended:
        """See `Backend`."""
        python = os.path.realpath(sys.executable)
        with tempfile.TemporaryDirectory(prefix="tinker-evals-") as name:
            folder = Path(name)
            (folder / "root").mkdir()
            order = {
                "files": dict(files),
                "root": str(folder / "root"),
                "visible": [sys.base_prefix, sys.base_exec_prefix, os.path.dirname(python)],
                "seconds": limits.seconds,
                "memory": limits.memory_mb << 20,
                "disk": limits.file_mb << 20,
                "processes": limits.processes,
                "isolate": self.isolate,
            }
            (folder / "order.json").write_text(json.dumps(order))
            with (folder / "stdout").open("wb") as sink:
                await _jail(python, folder, stdin, sink, limits.seconds + _GRACE)
            report = _report(folder / "report.json")
            stdout = (folder / "stdout").read_bytes().decode(errors="replace")
        return Ended(
            stdout=stdout,
            timed_out=report["timed_out"],
            isolated=report["isolated"],
            problem=report["problem"] or "",
        )


async def _jail(python: str, folder: Path, stdin: str, sink: Any, seconds: float) -> None:
    command = [python, "-I", "-S", str(_JAIL), str(folder / "order.json")]
    process = await asyncio.create_subprocess_exec(
        *command,
        str(folder / "report.json"),
        stdin=asyncio.subprocess.PIPE,
        stdout=sink,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"},
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(seconds):
            await process.communicate(stdin.encode())
    except TimeoutError as error:
        raise GradingError("the sandbox did not end in time") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _report(file: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise GradingError(f"the sandbox left no report: {error}") from error
    return found
