"""The summary of a task: every score with its error, and what went wrong counted apart."""

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
    """What the replies to a task's items add up to."""

    scores: Mapping[str, Estimate]
    """Over items, each with the mean of its replies; the first is what the task is known by."""
    counts: Mapping[str, int]
    """Replies of each status."""
    pass_at: Mapping[int, Estimate] = field(factory=dict)
    """The chance that one of k replies is right, for k = 1, 2, 4, ..., where there are several."""
    groups: Mapping[str, Estimate] = field(factory=dict)
    """The first score of each group of items."""
    tokens: int = 0
    """Sampled."""

    @property
    def headline(self) -> Estimate:
        """The score that the task is known by. Raises DataError where no problem was answered."""
        if not self.scores:
            raise DataError("no problem was answered, so there is no score")
        return next(iter(self.scores.values()))


def summarize(samples: Iterable[Sample]) -> Summary:
    """Sum up; items count alike however many replies they have. No replies, no scores."""
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
    """The replies to each item, by its id, in the order in which the items first occur."""
    grouped: dict[str, list[Sample]] = {}
    for sample in samples:
        grouped.setdefault(sample.item, []).append(sample)
    return grouped


def mean_score(samples: Sequence[Sample], name: str) -> float:
    """Of the replies to one item."""
    return math.fsum(sample.scores[name] for sample in samples) / len(samples)


def _estimate(grouped: ByItem, name: str) -> Estimate:
    means = [mean_score(samples, name) for samples in grouped.values()]
    return share_estimate(means, clusters(rows[0] for rows in grouped.values()))


def clusters(samples: Iterable[Sample]) -> list[str] | None:
    """The cluster of each item, its own id where it has none; None where no item has one."""
    rows = list(samples)
    if all(row.cluster is None for row in rows):
        return None
    return [f"item {row.item}" if row.cluster is None else row.cluster for row in rows]


def _pass_at(grouped: ByItem) -> dict[int, Estimate]:
    """For those k for which every item has replies enough; a reply is right when it scores 1."""
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
