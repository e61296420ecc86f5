"""Starting the engine as a child process. Loops find it by the entry point `tinker.engines`."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from attrs import define

from tinker_local.home import home_folder
from tinker_local.loopback import bypass_proxy

ARGUMENTS = ("serve", "--port", "0", "--child")
READY = "tinker-local serves "
START_S = 120.0
STOP_S = 10.0
KEPT_LOGS = 20


class EngineStartError(Exception):
    """The engine did not start. The message ends with the last lines of its log."""


@define(eq=False)
class LocalEngine:
    """A running engine. It ends with `close`, or with this process however that ends."""

    base_url: str
    api_key: str
    log: Path
    process: subprocess.Popen[str]

    def close(self) -> None:
        """Stop the engine; what was not saved is lost. A second call does nothing."""
        if self.process.stdin is not None:
            self.process.stdin.close()  # the child stops when this pipe closes
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


def start_engine(*, home: Path | None = None, losses: Sequence[str] = ()) -> LocalEngine:
    """Start an engine on a free port, and return when it answers.

    `home` is the folder of its checkpoints and models; by default `$TINKER_LOCAL_HOME`, or
    `~/.tinker-local`. `losses` are further loss functions, each as `module:Class`. Raises
    `EngineStartError`. Adds 127.0.0.1 to `NO_PROXY` of this process, because the SDK obeys
    `HTTP_PROXY` for loopback, too.
    """
    folder = home or home_folder()
    key = f"tml-{secrets.token_urlsafe(24)}"
    log = _new_log(folder / "logs")
    bypass_proxy()
    options = ["--home", str(folder), *(part for loss in losses for part in ("--loss", loss))]
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "tinker_local", *ARGUMENTS, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, "TINKER_LOCAL_KEY": key},  # other users can read arguments
            text=True,
            start_new_session=True,  # Ctrl-C reaches the loop alone, which may save first
        )
    engine = LocalEngine("", key, log, process)
    line = _first_line(process)
    if not line.startswith(READY):
        process.kill()
        engine.close()
        raise EngineStartError(f"the engine did not start; {log} ends with:\n{_tail(log)}")
    engine.base_url = line.removeprefix(READY).strip()
    return engine


def _first_line(process: subprocess.Popen[str]) -> str:
    """The first line of its output; empty if it ends or takes too long."""
    lines: list[str] = []

    def read() -> None:
        assert process.stdout is not None
        lines.append(process.stdout.readline())

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(START_S)
    return lines[0] if lines else ""


def _new_log(folder: Path) -> Path:
    """The path of a new log. Of the old ones, the newest are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in sorted(folder.glob("engine-*.log"))[:-KEPT_LOGS]:
        old.unlink(missing_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    return folder / f"engine-{stamp}-{os.getpid()}-{secrets.token_hex(2)}.log"


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])
