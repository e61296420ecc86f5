"""The MLflow sink.

MLflow accepts fewer names of metrics than other sinks: letters, digits, `_`, `-`, `.`, space, and
`/` between parts. Other characters become `_`: `pass@1` is `pass_1`.
"""

from __future__ import annotations

import re
from typing import Any

from attrs import field, frozen

from tinker_train.config.serialization import flatten
from tinker_train.metrics.external import ReportedRun, import_package
from tinker_train.metrics.rows import Metrics

_LONGEST = 250


@frozen
class MlflowSink:
    """The active run of MLflow."""

    package: Any
    first_step: int
    _names: dict[str, str] = field(factory=dict)
    """Our name of each metric by its name in MLflow."""

    @classmethod
    def open(cls, experiment: str, run: ReportedRun) -> MlflowSink:
        """Continue the run after its last step; its id is stored in the run directory."""
        mlflow = import_package("mlflow")
        mlflow.set_experiment(experiment)
        file = run.path / "mlflow-run-id"
        known = file.read_text().strip() if file.exists() else None
        active = mlflow.start_run(run_id=known, run_name=None if known else run.name)
        file.write_text(active.info.run_id)
        if known is None:  # MLflow refuses a parameter that changes, and `run_dir` may
            mlflow.log_params(flatten(run.config))
        history = mlflow.MlflowClient().get_metric_history
        names = active.data.metrics
        steps = [point.step for name in names for point in history(active.info.run_id, name)]
        return cls(mlflow, max(steps, default=-1) + 1)

    def log_metrics(self, metrics: Metrics, step: int) -> None:
        """Log one point per metric; raises ValueError for two with one name in MLflow."""
        self.package.log_metrics({self._name(name): metrics[name] for name in metrics}, step=step)

    def close(self) -> None:
        """End the run."""
        self.package.end_run()

    def _name(self, name: str) -> str:
        valid = metric_name(name)
        if self._names.setdefault(valid, name) != name:
            raise ValueError(f"it is called {valid!r} in MLflow, like {self._names[valid]!r}")
        return valid


def metric_name(name: str) -> str:
    """The name of a metric in MLflow."""
    parts = re.sub(r"[^\w\-. /]", "_", name).split("/")
    valid = "/".join("_" if part in ("", ".", "..") else part for part in parts)
    return valid if len(valid) <= _LONGEST else valid[:_LONGEST].rstrip("/.")
