"""The layout of a run directory."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from tinker_core import RunDirectoryError
from tinker_train.checkpoint.record import last_checkpoint


@frozen
class RunDirectory:
    """The paths of the files of a run."""

    path: Path

    @property
    def config_file(self) -> Path:
        """Config, versions, git revision, seed and engine."""
        return self.path / "config.json"

    @property
    def metrics_file(self) -> Path:
        """One row per step."""
        return self.path / "metrics.jsonl"

    @property
    def data_file(self) -> Path:
        """The fingerprints of the data."""
        return self.path / "data.json"

    @property
    def distributions_file(self) -> Path:
        """Distributions of the values behind metrics."""
        return self.path / "distributions.jsonl"

    @property
    def checkpoints_file(self) -> Path:
        """One row per checkpoint."""
        return self.path / "checkpoints.jsonl"

    @property
    def transcripts(self) -> Path:
        """Folder of transcripts, one JSONL file per step."""
        return self.path / "transcripts"

    @property
    def trace_file(self) -> Path:
        """Trace spans."""
        return self.path / "trace.jsonl"

    @property
    def report_file(self) -> Path:
        """The HTML report."""
        return self.path / "report.html"

    @property
    def log_file(self) -> Path:
        """The console output."""
        return self.path / "logs.log"


def has_run(path: Path) -> bool:
    """True if the folder is a run directory."""
    run = RunDirectory(path)
    return any(file.exists() for file in (run.config_file, run.metrics_file, run.checkpoints_file))


def refuse_run(path: Path) -> None:
    """Raise RunDirectoryError, with the state of the run, if the folder is a run directory."""
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
