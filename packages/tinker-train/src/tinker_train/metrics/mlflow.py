"""The MLflow sink."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from tinker_train.config.serialization import flatten
from tinker_train.metrics.external import ReportedRun, import_package
from tinker_train.metrics.rows import Metrics


@frozen
class MlflowSink:
    """The active run of MLflow."""

    package: Any
    first_step: int

    @classmethod
    def open(cls, experiment: str, run: ReportedRun) -> MlflowSink:
        """Continue the run after its last step; its id is stored in the run directory."""
        mlflow = import_package("mlflow")
        mlflow.set_experiment(experiment)
        file = run.path / "mlflow-run-id"
        known = file.read_text().strip() if file.exists() else None
        active = mlflow.start_run(run_id=known, run_name=None if known else run.name)
        file.write_text(active.info.run_id)
        mlflow.log_params(flatten(run.config))
        history = mlflow.MlflowClient().get_metric_history
        names = active.data.metrics
        steps = [point.step for name in names for point in history(active.info.run_id, name)]
        return cls(mlflow, max(steps, default=-1) + 1)

    def log_metrics(self, metrics: Metrics, step: int) -> None:
        """Log one point per metric."""
        self.package.log_metrics(dict(metrics), step=step)

    def close(self) -> None:
        """End the run."""
        self.package.end_run()
