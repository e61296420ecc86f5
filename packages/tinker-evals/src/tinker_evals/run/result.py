"""The result of a task: its summary and its fingerprint."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from attrs import asdict, frozen

from tinker_evals.run.fingerprint import Fingerprint
from tinker_evals.run.summary import Summary


@frozen(kw_only=True)
class TaskResult:
    """The result of one task."""

    task: str
    model: str
    items: int
    """Number of items that were asked."""
    errored: Mapping[str, str]
    """The last error of each item on which the engine or the grader failed, by item id.

    These items are in no score. The next run of the task asks them again.
    """
    summary: Summary
    seconds: float
    """Duration of this run. Stored samples take no time."""
    fingerprint: Fingerprint
    """Everything that the scores depend on: task, data, prompt, renderer, grader, sampling."""

    @property
    def complete(self) -> bool:
        """True if every item was answered."""
        return not self.errored

    def metrics(self) -> dict[str, float]:
        """Metrics of a training loop: scores, standard errors, and shares of what went wrong."""
        found: dict[str, float] = {}
        for name, estimate in self.summary.scores.items():
            found[name] = estimate.value
            found[f"{name}_standard_error"] = estimate.standard_error
        for k, estimate in self.summary.pass_at.items():
            found[f"pass@{k}"] = estimate.value
        total = sum(self.summary.counts.values())
        for status, count in self.summary.counts.items():
            if status != "answered":
                found[f"{status}_share"] = count / total if total else math.nan
        return {**found, "errored_items": float(len(self.errored))}

    def plain(self) -> dict[str, Any]:
        """The result as JSON data, with null for nan."""
        data: dict[str, Any] = finite(asdict(self))
        return data


def finite(value: Any) -> Any:
    """JSON data with null for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {str(key): finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
