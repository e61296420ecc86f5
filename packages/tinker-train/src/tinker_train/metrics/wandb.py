"""The Weights & Biases sink."""

from __future__ import annotations

from shutil import rmtree
from typing import Any

from attrs import frozen

from tinker_train.metrics.external import ReportedRun, import_package
from tinker_train.metrics.rows import Metrics


@frozen
class WandbSink:
    """A run of W&B, or of a package with its interface."""

    client: Any
    first_step: int

    @classmethod
    def open(cls, project: str, run: ReportedRun) -> WandbSink:
        """Continue the run online after its last step, since W&B ignores any earlier one.

        An offline run cannot be continued, so its files are replaced by a run with every step.
        """
        package = import_package("wandb")
        for old in (run.path / "wandb").glob(f"offline-run-*-{run.run_id}"):
            rmtree(old)
        client = package.init(
            project=project,
            name=run.name,
            id=run.run_id,
            resume="allow",
            dir=str(run.path),
            config=run.config,
        )
        return cls(client, client.starting_step)

    def log_metrics(self, metrics: Metrics, step: int) -> None:
        """Log the row."""
        self.client.log(dict(metrics), step=step)

    def close(self) -> None:
        """Finish the run."""
        self.client.finish()
