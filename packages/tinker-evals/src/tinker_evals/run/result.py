"""The result of a task: its summary, and everything that it depends on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from attrs import asdict, frozen

from tinker_evals.run.fingerprint import Fingerprint
from tinker_evals.run.summary import Summary


@frozen(kw_only=True)
class TaskResult:
    """A task's summary, and everything that it depends on."""

    task: str
    model: str
    items: int
    """Asked for."""
    errored: Mapping[str, str]
    """Items without an answer, because the engine or the grader failed: id, and the last error.

    They are in no score. Running the task again asks them again.
    """
    summary: Summary
    seconds: float
    """Of this run alone; what was stored before took none."""
    fingerprint: Fingerprint
    """Task, data, prompt, renderer, grader, sampling: what a score cannot be compared without."""

    @property
    def complete(self) -> bool:
        """Whether every item was answered."""
        return not self.errored

    def metrics(self) -> dict[str, float]:
        """For a training loop's log: scores, their errors, and the shares of what went wrong."""
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
        """As JSON data; what is not a number becomes null."""
        data: dict[str, Any] = finite(asdict(self))
        return data


def finite(value: Any) -> Any:
    """JSON data with null where a number is none."""
    if isinstance(value, Mapping):
        return {str(key): finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
