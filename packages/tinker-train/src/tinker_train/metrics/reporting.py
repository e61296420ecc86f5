"""The external sinks of a run. No failure of a sink stops the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from attrs import define, field, frozen

from tinker_core import ConfigError
from tinker_train.metrics.external import ExternalSink, ReportedRun
from tinker_train.metrics.mlflow import MlflowSink
from tinker_train.metrics.rows import Metrics
from tinker_train.metrics.sink import MetricSink
from tinker_train.metrics.tensorboard import TensorBoardSink
from tinker_train.metrics.trackio import open_trackio
from tinker_train.metrics.wandb import WandbSink

Say = Callable[[str], None]
_MOST_FAILURES = 4  # calls in a row; each may wait for a server that does not answer


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
    """Passes the rows that an external sink lacks on to it.

    If the sink refuses a row, it gets the values one by one, and a metric that it refuses alone is
    left out from then on. After four failures in a row it gets no more metrics.
    """

    name: str
    sink: ExternalSink
    say: Say
    refused: set[str] = field(factory=set)
    """Names of metrics that are left out."""
    failures: int = 0
    """Failed calls since the last one that succeeded."""

    def log_metrics(self, metrics: Metrics, step: int) -> None:
        """Pass the row on, without values that are not numbers."""
        if step < self.sink.first_step:
            return
        row = {n: value for n, value in metrics.items() if value is not None}
        row = {n: value for n, value in row.items() if n not in self.refused}
        if not row or self._try(partial(self.sink.log_metrics, row, step)) is None:
            return
        errors = {n: self._try(partial(self.sink.log_metrics, {n: row[n]}, step)) for n in row}
        if None in errors.values():  # the sink works: the others are refused for what they are
            for name, error in errors.items():
                if error is not None:
                    self.refused.add(name)
                    self.say(f"{self.name} does not get {name!r}: {error}")

    def close(self) -> None:
        """Close the sink."""
        self._try(self.sink.close)

    def _try(self, call: Callable[[], None]) -> str | None:
        """The error of a call, or None if it succeeded; no call is made after too many failures."""
        if self.failures >= _MOST_FAILURES:
            return "it failed before"
        try:
            call()
        except Exception as error:  # noqa: BLE001  # no error of a sink may stop the run
            self.failures += 1
            problem = f"{type(error).__name__}: {error}"
            if self.failures == _MOST_FAILURES:
                self.say(f"{self.name} gets no more metrics: {problem}")
            return problem
        self.failures = 0
        return None


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
