"""A run's fingerprint: what its scores depend on. Two runs compare when these are equal."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from tinker_evals.dataset.item import Item
from tinker_evals.dataset.sources import RowSource
from tinker_evals.model.model import Model
from tinker_evals.run.query import Query
from tinker_evals.tasks.task import AnyTask
from tinker_train.config.serialization import differences

Fingerprint = Mapping[str, Any]

_NOT_COMPARED = ("tinker_evals",)
"""A newer version of this package may continue a run: tasks and graders have their own versions."""


def fingerprint(
    task: AnyTask, model: Model, source: RowSource, query: Query, first: Item
) -> Fingerprint:
    """Task, data, model, prompt, grader and sampling, as JSON data.

    The prompt is that of the first item of the data, whichever items are asked.
    """
    return {
        "task": task.name,
        "task_version": task.version,
        "data": str(source),
        "model": model.name,
        "tinker_evals": version("tinker-evals"),
        **query.describe(first),
    }


def changes(before: Fingerprint, after: Fingerprint, *ignored: str) -> list[str]:
    """The fields that differ, each as `field: one value != other`."""
    left_out = {*_NOT_COMPARED, *ignored}
    one, other = (
        {key: value for key, value in each.items() if key not in left_out}
        for each in (before, after)
    )
    return differences(one, other)
