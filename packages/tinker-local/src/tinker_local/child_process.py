"""The engine as a child process of whoever wants one, found by the entry point `tinker.engines`."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

from attrs import define

from tinker_local.home import home_folder

ARGUMENTS = ("serve", "--port", "0", "--child")
READY = "tinker-local serves "
START_S = 120.0
STOP_S = 10.0
KEPT_LOGS = 20


class EngineStartError(Exception):
    """The engine did not start; the text ends with the last lines of its log."""


@define(eq=False)
class LocalEngine:
    """A running engine; it ends with `close`, or with this process however that ends."""

    base_url: str
    api_key: str
    log: Path
    process: subprocess.Popen[str]

    def close(self) -> None:
        """End the engine; what is not saved is gone. Closing twice is fine."""
        if self.process.stdin is not None:
            self.process.stdin.close()  # the child ends when this pipe does
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def start_engine(*, home: Path | None = None) -> LocalEngine:
    """Start an engine and return when it answers; `EngineStartError` if it does not.

    The SDK obeys `HTTP_PROXY` even for loopback, so this process's `NO_PROXY` is told to leave
    127.0.0.1 alone.
    """
    where = home or home_folder()
    key = f"tml-{secrets.token_urlsafe(24)}"
    log = _new_log(where / "logs")
    _bypass_proxy()
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "tinker_local", *ARGUMENTS, "--home", str(where)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, "TINKER_LOCAL_KEY": key},  # not an argument: others can read those
            text=True,
            start_new_session=True,  # Ctrl-C is the loop's to handle; it may want to save first
        )
    engine = LocalEngine("", key, log, process)
    line = _first_line(process)
    if not line.startswith(READY):
        process.kill()
        engine.close()
        raise EngineStartError(f"the local engine did not start; {log} ends with:\n{_tail(log)}")
    engine.base_url = line.removeprefix(READY).strip()
    return engine


def _first_line(process: subprocess.Popen[str]) -> str:
    """What the child says first; nothing if it ends or takes too long."""
    lines: list[str] = []

    def read() -> None:
        assert process.stdout is not None
        lines.append(process.stdout.readline())

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(START_S)
    return lines[0] if lines else ""


def _bypass_proxy() -> None:
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [host for host in os.environ.get(name, "").split(",") if host]
        if "127.0.0.1" not in hosts:
            os.environ[name] = ",".join([*hosts, "127.0.0.1"])


def _new_log(folder: Path) -> Path:
    """A log file of its own; of the old ones, the newest stay."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in sorted(folder.glob("engine-*.log"))[:-KEPT_LOGS]:
        old.unlink(missing_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    return folder / f"engine-{stamp}-{os.getpid()}-{secrets.token_hex(2)}.log"


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])
