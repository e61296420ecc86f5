"""A worker process, from the parent's side."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from typing import IO

import attrs
from attrs import define, field

from tinker_conformance.check import Check
from tinker_conformance.run.result import Result
from tinker_conformance.target import Target

GRACE_S = 10.0
"""A worker that reports nothing so long after the timeout of a check is killed."""
START_S = 60.0
LOOPBACK = "127.0.0.1,localhost"


@define(eq=False)
class WorkerProcess:
    """Runs checks one after the other; starts again after one that hung."""

    target: Target
    timeout: float
    _process: subprocess.Popen[str] | None = field(default=None, init=False)
    _lines: queue.Queue[str] = field(factory=queue.Queue, init=False)
    _log: IO[bytes] | None = field(default=None, init=False)

    def run(self, check: Check) -> Result:
        """The result of a check; a failure when the worker hangs or dies."""
        fresh = self._process is None
        process = self._process or self._start()
        assert process.stdin is not None
        try:
            process.stdin.write(f"{check.id}\n")
            process.stdin.flush()
            line = self._lines.get(timeout=self.timeout + GRACE_S + (START_S if fresh else 0.0))
        except (queue.Empty, BrokenPipeError):
            self.close()
            return self._lost(check, f"nothing within {self.timeout:g} s", timed_out=True)
        if not line:
            came = f"the end of the process: {self._tail()}"
            self.close()
            return self._lost(check, came)
        result = Result(**json.loads(line))
        if result.timed_out:
            self.close()
        return result

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()
        if self._log is not None:
            self._log.close()

    def _start(self) -> subprocess.Popen[str]:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        hosts = ",".join(filter(None, [os.environ.get("NO_PROXY"), LOOPBACK]))
        process = subprocess.Popen(
            [sys.executable, "-m", "tinker_conformance.run.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "NO_PROXY": hosts, "no_proxy": hosts},
        )
        self._process, self._lines = process, queue.Queue()
        threading.Thread(target=_read, args=(process, self._lines), daemon=True).start()
        assert process.stdin is not None
        settings = {"target": attrs.asdict(self.target), "timeout": self.timeout}
        process.stdin.write(json.dumps(settings) + "\n")
        return process

    def _lost(self, check: Check, came: str, *, timed_out: bool = False) -> Result:
        return Result(
            check=check.id,
            claim=check.claim,
            status="failed",
            seconds=self.timeout if timed_out else 0.0,
            what="the check has no result",
            expected="a result",
            came=came,
            timed_out=timed_out,
        )

    def _tail(self) -> str:
        assert self._log is not None
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return " | ".join(lines[-3:])


def _read(process: subprocess.Popen[str], lines: queue.Queue[str]) -> None:
    """Pass lines on, and an empty one at the end."""
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put("")
