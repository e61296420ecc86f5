"""Means of metrics over rows."""

from __future__ import annotations

from collections.abc import Iterable

from tinker_train.metrics.sink import Metrics


def dict_mean(rows: Iterable[Metrics]) -> dict[str, float]:
    """The mean of each metric over the rows that have it; how many those are is not said."""
    columns: dict[str, list[float]] = {}
    for row in rows:
        for key, value in row.items():
            columns.setdefault(key, []).append(value)
    return {key: sum(values) / len(values) for key, values in columns.items()}
