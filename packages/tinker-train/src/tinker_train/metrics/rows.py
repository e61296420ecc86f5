"""Rows of metrics: the type, reading metrics.jsonl, merging, last values and means."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any

from tinker_core import ConfigError, RunDirectoryError
from tinker_train.files import read_rows

STEP = "step"
"""The key of a row that holds its step; no metric has this name."""

Metrics = Mapping[str, float]
PendingMetrics = Coroutine[Any, Any, Metrics]
"""Metrics of calls that are submitted already; awaiting it waits for their results."""


def read_metrics(file: Path) -> list[dict[str, Any]]:
    """The rows of a run's metrics.jsonl; raises RunDirectoryError for one without a step."""
    rows = read_rows(file)
    for number, row in enumerate(rows, start=1):
        if not isinstance(row.get("step"), int):
            raise RunDirectoryError(f"{file}:{number}: step: not an integer: {row!r:.80}")
    return rows


def merge_metrics(place: str, *parts: Metrics) -> dict[str, float]:
    """The metrics of all parts; raises ConfigError, which begins with `place`, for a name twice.

    `step` is reserved: it is the key of the row.
    """
    merged: dict[str, float] = {}
    for part in parts:
        for name, value in part.items():
            if name in merged:
                raise ConfigError(f"{place}: two metrics are called {name!r}; rename one of them")
            if name == STEP:
                raise ConfigError(f"{place}: the metric name {name!r} is reserved; rename it")
            merged[name] = value
    return merged


def last_values(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The last value of each metric."""
    values: dict[str, Any] = {}
    for row in rows:
        values.update(row)
    return values


def dict_mean(rows: Iterable[Metrics]) -> dict[str, float]:
    """The mean of each metric over the rows that have it."""
    columns: dict[str, list[float]] = {}
    for row in rows:
        for key, value in row.items():
            columns.setdefault(key, []).append(value)
    return {key: sum(values) / len(values) for key, values in columns.items()}
