"""Distributions of the values behind a metric at each step, for histograms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinker_train.files import append_row, read_rows

_MOST_VALUES = 32
"""Most distinct values in a row; more are counted in bins of equal width."""
_BINS = 12
_COLUMNS = 100

Counts = dict[float, int]
Floats = NDArray[np.float64]


def append_distribution(file: Path, step: int, name: str, values: Iterable[float]) -> None:
    """Append the counts of the values at a step; nothing is written if there are none."""
    given_N = np.array([value for value in values if np.isfinite(value)], dtype=np.float64)
    if not given_N.size:
        return
    found, counts = np.unique(given_N, return_counts=True)
    if len(found) > _MOST_VALUES:
        counts, edges = np.histogram(given_N, bins=_MOST_VALUES)
        found = (edges[1:] + edges[:-1]) / 2
    pairs = [[float(v), int(n)] for v, n in zip(found, counts, strict=True) if n]
    append_row(file, {"step": step, "name": name, "counts": pairs})


def read_distributions(file: Path) -> dict[str, dict[int, Counts]]:
    """Counts of values by name and step. The last row of a step counts."""
    found: dict[str, dict[int, Counts]] = defaultdict(dict)
    for row in read_rows(file):
        found[row["name"]][row["step"]] = dict(row["counts"])
    return dict(found)


def histograms(runs: Mapping[str, Mapping[str, Mapping[int, Counts]]]) -> list[dict[str, Any]]:
    """Each distribution of each run as columns of counts, over bins that all runs share.

    `columns` are `[first step, last step, counts]`; many steps are merged to fewer columns. `bins`
    are the labels of the values in ascending order.
    """
    pictures = []
    for name in sorted({name for run in runs.values() for name in run}):
        steps = {run: found[name] for run, found in runs.items() if name in found}
        edges = _edges(
            value for run in steps.values() for counts in run.values() for value in counts
        )
        pictures += [
            {
                "name": f"{name}, histogram" + (f": {run}" if len(runs) > 1 else ""),
                "group": name.rpartition("/")[0] or "general",
                "bins": _names(edges),
                "columns": _columns(by_step, edges),
            }
            for run, by_step in steps.items()
        ]
    return pictures


def _edges(values: Iterable[float]) -> Floats:
    """One bin per value if there are few values, else bins of equal width."""
    found = np.unique(list(values))
    if len(found) <= _BINS:
        return np.append(found, np.inf)  # [v, next v) holds only v
    return np.asarray(np.linspace(found[0], found[-1], _BINS + 1))


def _names(edges: Floats) -> list[str]:
    if np.isinf(edges[-1]):
        return [f"{value:.4g}" for value in edges[:-1]]
    return [f"{low:.3g} to {high:.3g}" for low, high in pairwise(edges)]


def _columns(by_step: Mapping[int, Counts], edges: Floats) -> list[list[Any]]:
    ordered = sorted(by_step)
    width = -(-len(ordered) // _COLUMNS)
    parts = [ordered[i : i + width] for i in range(0, len(ordered), width)]
    return [[part[0], part[-1], _binned([by_step[step] for step in part], edges)] for part in parts]


def _binned(counts: Sequence[Counts], edges: Floats) -> list[int]:
    pairs = [pair for each in counts for pair in each.items()]
    values, weights = zip(*pairs, strict=True)
    return [int(n) for n in np.histogram(values, bins=edges, weights=weights)[0]]
