"""Commands that the command lines of all algorithms share."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro
from attrs import frozen

from tinker_core import ConfigError
from tinker_train.run.directory import has_run
from tinker_train.run.mirror import fetch_run
from tinker_train.run.result import TrainResult


@frozen(kw_only=True)
class Resume:
    """Continue a run that was interrupted."""

    run: tyro.conf.Positional[str]
    """Run directory, or the URL of its mirror."""
    changed_data: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Continue although the data changed since the run began."""
    to: Path | None = None
    """Run directory into which a mirror is fetched; absent: runs/NAME, with the last part of the
    URL."""

    def __call__(self, program: str, resume: Callable[..., TrainResult]) -> int:
        """Continue the run with the algorithm's `resume`; the exit status."""
        run_dir = Path(self.run)
        if "://" in self.run:
            name = self.run.rstrip("/").rpartition("/")[2]
            run_dir = fetch_run(self.run, self.to or Path("runs") / name)
        elif self.to is not None:
            raise ConfigError(f"--to {self.to}: {self.run} is a folder, and only a URL is fetched")
        work = partial(resume, run_dir, changed_data=self.changed_data)
        return run_training(program, work, run_dir)


def run_training(program: str, train: Callable[[], TrainResult], run_dir: Path) -> int:
    """Train to the end of the run; the exit status.

    A stopped run has the status of its signal, 130 after Ctrl-C and 143 after SIGTERM, and its last
    line on stderr is the command that resumes it.
    """
    try:
        result = train()
    except KeyboardInterrupt:  # before the first step, or a second Ctrl-C
        if has_run(run_dir):
            _say_resume(program, run_dir)
            return 128 + signal.SIGINT
        raise
    if result.end == "complete":
        return 0
    _say_resume(program, run_dir)
    return 128 + signal.Signals[result.stop_signal or "SIGINT"]


def _say_resume(program: str, run_dir: Path) -> None:
    print(f"to continue: {program} resume {shlex.quote(str(run_dir))}", file=sys.stderr)


def take_option(arguments: Sequence[str], name: str) -> tuple[str | None, list[str]]:
    """The value of an option, None if it is absent, and the other arguments."""
    for i, argument in enumerate(arguments):
        if argument.startswith(f"{name}="):
            return argument.removeprefix(f"{name}="), [*arguments[:i], *arguments[i + 1 :]]
        if argument == name and i + 1 < len(arguments):
            return arguments[i + 1], [*arguments[:i], *arguments[i + 2 :]]
    return None, list(arguments)
