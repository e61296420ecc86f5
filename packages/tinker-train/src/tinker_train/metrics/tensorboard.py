"""The TensorBoard sink."""

from __future__ import annotations

from shutil import rmtree
from typing import Any

from attrs import frozen

from tinker_train.metrics.external import ReportedRun, import_package
from tinker_train.metrics.rows import Metrics


@frozen
class TensorBoardSink:
    """Event files in the run directory. Rows cannot be removed, so a resume writes all of them."""

    writer: Any
    first_step: int = 0

    @classmethod
    def open(cls, run: ReportedRun) -> TensorBoardSink:
        """Start new event files."""
        package = import_package("tensorboard.summary")
        folder = run.path / "tensorboard"
        rmtree(folder, ignore_errors=True)
        return cls(package.Writer(str(folder)))

    def log_metrics(self, metrics: Metrics, step: int) -> None:
        """Write one scalar per metric."""
        for name, value in metrics.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Close the event file."""
        self.writer.close()
