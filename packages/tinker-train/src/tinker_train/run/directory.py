"""The folder in which everything that a run leaves behind lies, and who may write there."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from attrs import frozen

from tinker_core import RunDirectoryError
from tinker_train.checkpoint.record import last_checkpoint

C = TypeVar("C")
_ALSO_NAMED = ("numpy", "transformers", "attrs", "datasets", "torch")


@frozen
class RunDirectory:
    """Where the files of a run lie."""

    path: Path

    @property
    def config_file(self) -> Path:
        """The exact config, and what it ran with."""
        return self.path / "config.json"

    @property
    def metrics_file(self) -> Path:
        """One row a step."""
        return self.path / "metrics.jsonl"

    @property
    def distributions_file(self) -> Path:
        """How values that a metric is the mean of were spread."""
        return self.path / "distributions.jsonl"

    @property
    def checkpoints_file(self) -> Path:
        """One row a checkpoint."""
        return self.path / "checkpoints.jsonl"

    @property
    def transcripts(self) -> Path:
        """Folder of what models said, one JSONL file a step."""
        return self.path / "transcripts"

    @property
    def trace_file(self) -> Path:
        """Spans of time."""
        return self.path / "trace.jsonl"

    @property
    def report_file(self) -> Path:
        """The run as a page to look at."""
        return self.path / "report.html"

    @property
    def log_file(self) -> Path:
        """What the console said."""
        return self.path / "logs.log"


def has_run(path: Path) -> bool:
    """Whether a run lies in the folder already."""
    run = RunDirectory(path)
    return any(file.exists() for file in (run.config_file, run.metrics_file, run.checkpoints_file))


def refuse_run(path: Path) -> None:
    """Raise RunDirectoryError, which says how far it is, where a run lies in the folder."""
    if has_run(path):
        raise RunDirectoryError(
            f"{path} already holds a run ({_state(RunDirectory(path))}): resume it or choose "
            "another folder"
        )


def _state(run: RunDirectory) -> str:
    checkpoint = last_checkpoint(run.checkpoints_file)
    if checkpoint is None:
        return "no checkpoint yet"
    return f"step {checkpoint.step}, {'complete' if checkpoint.final else 'not complete'}"
