"""Small helpers that every loop wants."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, TypeVar

from tinker_train.metrics import Metrics

T = TypeVar("T")


def safezip(*sequences: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The sequences side by side; raises ValueError, which says the lengths, where they differ."""
    lengths = [len(sequence) for sequence in sequences]
    if len(set(lengths)) > 1:
        raise ValueError(f"sequences of different lengths: {lengths}")
    return list(zip(*sequences, strict=True))


def dict_mean(rows: Iterable[Metrics]) -> dict[str, float]:
    """The mean of each metric over the rows that have it; how many those are is not said."""
    columns: dict[str, list[float]] = {}
    for row in rows:
        for key, value in row.items():
            columns.setdefault(key, []).append(value)
    return {key: sum(values) / len(values) for key, values in columns.items()}


def split_list(items: Sequence[T], parts: int) -> list[list[T]]:
    """The items in so many runs of neighbours, whose lengths differ by one at most."""
    if parts < 1:
        raise ValueError(f"a list is split into one part at least, not {parts}")
    ends = [round(i * len(items) / parts) for i in range(parts + 1)]
    return [list(items[a:b]) for a, b in pairwise(ends)]


def all_same(items: Iterable[Any]) -> bool:
    """Whether no two items differ; so it is with none."""
    found = list(items)
    return all(item == found[0] for item in found)


@contextmanager
def timed(name: str, metrics: MutableMapping[str, float]) -> Iterator[None]:
    """Add the seconds that the block takes to `time/<name>`."""
    began = time.perf_counter()
    try:
        yield
    finally:
        key = f"time/{name}"
        metrics[key] = metrics.get(key, 0.0) + time.perf_counter() - began
