"""Metric sinks: each takes one row per step."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from attrs import frozen

from tinker_train.files import append_row
from tinker_train.metrics.rows import STEP, Metrics, merge_metrics


class MetricSink(Protocol):
    """Takes the metrics of each step."""

    def log_metrics(self, metrics: Metrics, step: int) -> None:
        """Take the metrics of a step; step 0 is before the first one."""
        ...

    def close(self) -> None:
        """Finish; no more metrics follow."""
        ...


@frozen
class JsonlSink:
    """Appends rows `{"step": n, ...}` to a file."""

    file: Path

    def log_metrics(self, metrics: Metrics, step: int) -> None:
        """Append the row and flush it to disk; raises ConfigError for a metric called `step`."""
        append_row(self.file, {STEP: step, **merge_metrics(str(self.file), metrics)})

    def close(self) -> None:
        """Do nothing: no file is open."""


@frozen
class MetricSinks:
    """Several sinks as one."""

    sinks: tuple[MetricSink, ...] = ()

    def log_metrics(self, metrics: Metrics, step: int) -> None:
        """Pass the row on to each sink."""
        for sink in self.sinks:
            sink.log_metrics(metrics, step)

    def close(self) -> None:
        """Close each sink."""
        for sink in self.sinks:
            sink.close()
