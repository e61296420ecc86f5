"""The summary of a task: scores with standard errors, and counts of what went wrong."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from attrs import field, frozen

from tinker_core import DataError
from tinker_evals.run.sample import STATUSES, Sample
from tinker_evals.statistics.estimate import Estimate, pass_at_k, share_estimate

ByItem = Mapping[str, Sequence[Sample]]


@frozen(kw_only=True)
class Summary:
    """Scores and counts over the samples of a task."""

    scores: Mapping[str, Estimate]
    """Means over items, each with the mean of its samples; the first is the headline score."""
    counts: Mapping[str, int]
    """Number of samples of each status."""
    pass_at: Mapping[int, Estimate] = field(factory=dict)
    """pass@k for k = 1, 2, 4, ..., where every item has several samples."""
    groups: Mapping[str, Estimate] = field(factory=dict)
    """The headline score of each group of items."""
    tokens: int = 0
    """Sampled tokens."""

    @property
    def headline(self) -> Estimate:
        """The headline score. Raises DataError where no item was answered."""
        if not self.scores:
            raise DataError("no item was answered, so there is no score")
        return next(iter(self.scores.values()))


def summarize(samples: Iterable[Sample]) -> Summary:
    """The summary of samples. Items have equal weight, however many samples they have."""
    kept = list(samples)
    grouped = by_item(kept)
    names = list(kept[0].scores) if kept else []
    return Summary(
        scores={name: _estimate(grouped, name) for name in names},
        counts={status: sum(s.status == status for s in kept) for status in STATUSES},
        pass_at=_pass_at(grouped),
        groups=_groups(grouped, names[0]) if names else {},
        tokens=sum(sample.tokens for sample in kept),
    )


def by_item(samples: Iterable[Sample]) -> ByItem:
    """The samples of each item, by item id, in the order in which the items first occur."""
    grouped: dict[str, list[Sample]] = {}
    for sample in samples:
        grouped.setdefault(sample.item, []).append(sample)
    return grouped


def mean_score(samples: Sequence[Sample], name: str) -> float:
    """The mean score of the samples of one item."""
    return math.fsum(sample.scores[name] for sample in samples) / len(samples)


def _estimate(grouped: ByItem, name: str) -> Estimate:
    means = [mean_score(samples, name) for samples in grouped.values()]
    return share_estimate(means, clusters(rows[0] for rows in grouped.values()))


def clusters(samples: Iterable[Sample]) -> list[str] | None:
    """The cluster of each item, its own id where it has no cluster; None without any cluster."""
    rows = list(samples)
    if all(row.cluster is None for row in rows):
        return None
    return [f"item {row.item}" if row.cluster is None else row.cluster for row in rows]


def _pass_at(grouped: ByItem) -> dict[int, Estimate]:
    """For each k up to the fewest samples of an item. A sample is right if it scores 1."""
    fewest = min((len(rows) for rows in grouped.values()), default=0)
    found = {}
    for k in (2**i for i in range(fewest.bit_length()) if fewest > 1):
        chances = [
            pass_at_k(len(rows), sum(row.score == 1 for row in rows), k)
            for rows in grouped.values()
        ]
        found[k] = share_estimate(chances, clusters(rows[0] for rows in grouped.values()))
    return found


def _groups(grouped: ByItem, name: str) -> dict[str, Estimate]:
    groups: dict[str, dict[str, Sequence[Sample]]] = {}
    for item, rows in grouped.items():
        if (group := rows[0].group) is not None:
            groups.setdefault(group, {})[item] = rows
    return {group: _estimate(rows, name) for group, rows in sorted(groups.items())}
