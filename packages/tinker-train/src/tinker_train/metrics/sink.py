"""Where metrics go: one row a step, to every sink of the run."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from attrs import frozen

from tinker_core import RunDirectoryError
from tinker_train.files import append_row, read_rows

Metrics = Mapping[str, float]
PendingMetrics = Coroutine[Any, Any, Metrics]
"""Metrics of calls that are submitted already; awaiting it waits for their results."""


class MetricSink(Protocol):
    """Something that takes the metrics of a step."""

    def log_metrics(self, metrics: Metrics, step: int) -> None:
        """Take the metrics of the step that was the run's `step`-th; 0 is before the first."""
        ...

    def close(self) -> None:
        """Nothing more comes."""
        ...


@frozen
class JsonlSink:
    """Rows `{"step": n, ...}` at the end of a file."""

    file: Path

    def log_metrics(self, metrics: Metrics, step: int) -> None:
        """Add the row and wait until the disk has it."""
        append_row(self.file, {"step": step, **metrics})

    def close(self) -> None:
        """Nothing is open."""


@frozen
class MetricSinks:
    """Several sinks as one."""

    sinks: tuple[MetricSink, ...] = ()

    def log_metrics(self, metrics: Metrics, step: int) -> None:
        """Give the row to each."""
        for sink in self.sinks:
            sink.log_metrics(metrics, step)

    def close(self) -> None:
        """Close each."""
        for sink in self.sinks:
            sink.close()


def read_metrics(file: Path) -> list[dict[str, Any]]:
    """The rows of a run's metrics.jsonl; raises RunDirectoryError for one without a step."""
    rows = read_rows(file)
    for number, row in enumerate(rows, start=1):
        if not isinstance(row.get("step"), int):
            raise RunDirectoryError(f"{file}:{number}: step: not a whole number: {row!r:.80}")
    return rows


def last_values(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The last value of each metric."""
    values: dict[str, Any] = {}
    for row in rows:
        values.update(row)
    return values
