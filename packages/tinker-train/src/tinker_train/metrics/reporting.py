"""The external sinks of a run. A sink that fails is disabled and never stops the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from attrs import define, frozen

from tinker_core import ConfigError
from tinker_train.metrics.external import ExternalSink, ReportedRun
from tinker_train.metrics.mlflow import MlflowSink
from tinker_train.metrics.rows import Metrics
from tinker_train.metrics.sink import MetricSink
from tinker_train.metrics.tensorboard import TensorBoardSink
from tinker_train.metrics.trackio import open_trackio
from tinker_train.metrics.wandb import WandbSink

Say = Callable[[str], None]


@frozen(kw_only=True)
class Reporting:
    """External metric sinks."""

    tensorboard: bool = False
    """Write TensorBoard event files to the run directory."""
    wandb: str | None = None
    """Project at Weights & Biases."""
    trackio: str | None = None
    """Project of Trackio."""
    mlflow: str | None = None
    """Experiment of MLflow."""


@define
class ReportingSink:
    """Passes the rows that an external sink lacks on to it, until the sink fails."""

    name: str
    sink: ExternalSink
    say: Say
    failed: bool = False

    def log_metrics(self, metrics: Metrics, step: int) -> None:
        """Pass the row on, without values that are not numbers."""
        if step >= self.sink.first_step:
            row = {name: value for name, value in metrics.items() if value is not None}
            self._try(lambda: self.sink.log_metrics(row, step))

    def close(self) -> None:
        """Close the sink."""
        self._try(self.sink.close)

    def _try(self, call: Callable[[], None]) -> None:
        if self.failed:
            return
        try:
            call()
        except Exception as error:  # noqa: BLE001  # no error of a sink may stop the run
            self.failed = True
            self.say(f"{self.name} gets no more metrics: {type(error).__name__}: {error}")


def open_sinks(
    reporting: Reporting, run: ReportedRun, rows: Sequence[Mapping[str, Any]], say: Say
) -> tuple[MetricSink, ...]:
    """Open the external sinks and give each the rows of metrics.jsonl that it lacks.

    A sink that cannot be opened is left out with a message. Raises ConfigError, which says what to
    install, for one whose package is missing.
    """
    openers: dict[str, Callable[[], ExternalSink]] = {}
    if reporting.tensorboard:
        openers["tensorboard"] = partial(TensorBoardSink.open, run)
    if reporting.wandb is not None:
        openers["wandb"] = partial(WandbSink.open, reporting.wandb, run)
    if reporting.trackio is not None:
        openers["trackio"] = partial(open_trackio, reporting.trackio, run)
    if reporting.mlflow is not None:
        openers["mlflow"] = partial(MlflowSink.open, reporting.mlflow, run)
    opened = (_open(name, open_sink, say) for name, open_sink in openers.items())
    sinks = tuple(sink for sink in opened if sink is not None)
    for row in rows:
        metrics = {name: value for name, value in row.items() if name != "step"}
        for sink in sinks:
            sink.log_metrics(metrics, row["step"])
    return sinks


def _open(name: str, open_sink: Callable[[], ExternalSink], say: Say) -> ReportingSink | None:
    try:
        return ReportingSink(name, open_sink(), say)
    except ConfigError:
        raise
    except Exception as error:  # noqa: BLE001  # no key or no server must not stop the run
        say(f"{name} gets no metrics: {type(error).__name__}: {error}")
        return None
