"""Comparison of two runs, paired by the items that both answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import frozen

from tinker_core import ConfigError, RunDirectoryError
from tinker_evals.run.fingerprint import Fingerprint, changes
from tinker_evals.run.sample import Sample
from tinker_evals.run.sample_store import FINGERPRINT, read_json, read_samples, task_folders
from tinker_evals.run.summary import Summary, by_item, clusters, mean_score, summarize
from tinker_evals.statistics.estimate import ROUNDING
from tinker_evals.statistics.paired_comparison import PairedComparison, compare_paired


@frozen(kw_only=True)
class TaskRun:
    """The stored samples of one task in one run."""

    folder: Path
    fingerprint: Fingerprint
    samples: Sequence[Sample]

    @property
    def task(self) -> str:
        """The name of the task."""
        return str(self.fingerprint["task"])

    @property
    def model(self) -> str:
        """The name of the model."""
        return str(self.fingerprint["model"])


@frozen(kw_only=True)
class TaskComparison:
    """One score of a task in two runs."""

    task: str
    score: str
    """The name of the score."""
    first: TaskRun
    second: TaskRun
    first_summary: Summary
    """Over the items that both answered, as `second_summary`."""
    second_summary: Summary
    comparison: PairedComparison
    unpaired: int
    """Items that only one run answered. They are left out."""
    differs: tuple[str, ...]
    """Differences between the runs beside the model, which may explain a difference in scores."""
    changed: Mapping[str, float]
    """Second score minus first, for each item where that is not zero."""


@frozen(kw_only=True)
class RunPairs:
    """The task folders of two runs."""

    both: Sequence[tuple[Path, Path]]
    only_first: Sequence[str]
    """Tasks that only the first run has."""
    only_second: Sequence[str]


def read_task_run(folder: Path) -> TaskRun:
    """A task's folder as `run_task` leaves it. Raises RunDirectoryError."""
    if not (folder / FINGERPRINT).exists():
        raise RunDirectoryError(f"{folder} holds no samples: it has no {FINGERPRINT}")
    fingerprint = read_json(folder / FINGERPRINT)
    return TaskRun(folder=folder, fingerprint=fingerprint, samples=read_samples(folder))


def pair_runs(first: Path, second: Path) -> RunPairs:
    """Pair the tasks of two runs; each is a task's folder, or a folder of such folders.

    Raises RunDirectoryError where they share no task.
    """
    ours, theirs = task_folders(first), task_folders(second)
    both = [(ours[name], theirs[name]) for name in ours if name in theirs]
    if not both:
        raise RunDirectoryError(
            f"{first} ({', '.join(ours)}) and {second} ({', '.join(theirs)}) share no task"
        )
    return RunPairs(
        both=both,
        only_first=[name for name in ours if name not in theirs],
        only_second=[name for name in theirs if name not in ours],
    )


def compare_task_runs(first: TaskRun, second: TaskRun, score: str | None = None) -> TaskComparison:
    """Compare one score of two runs of a task; default: the task's first score.

    Raises ConfigError for different tasks, for runs that share no item, and for an unknown score.
    """
    if first.task != second.task:
        raise ConfigError(f"{first.task} cannot be compared with {second.task}")
    ours, theirs = by_item(first.samples), by_item(second.samples)
    both = [item for item in ours if item in theirs]
    if not both:
        raise ConfigError(
            f"{first.folder} and {second.folder} have answered no item of {first.task} in common"
        )
    scores = [name for name in ours[both[0]][0].scores if name in theirs[both[0]][0].scores]
    name = score or scores[0]
    if name not in scores:
        raise ConfigError(f"{first.task} has no score {name!r}; it has {', '.join(scores)}")
    before, after = ([mean_score(run[item], name) for item in both] for run in (ours, theirs))
    change = {item: b - a for item, a, b in zip(both, before, after, strict=True)}
    return TaskComparison(
        task=first.task,
        score=name,
        first=first,
        second=second,
        first_summary=summarize(sample for item in both for sample in ours[item]),
        second_summary=summarize(sample for item in both for sample in theirs[item]),
        comparison=compare_paired(before, after, clusters(ours[item][0] for item in both)),
        unpaired=len(set(ours) ^ set(theirs)),
        differs=tuple(_differences(first.fingerprint, second.fingerprint)),
        changed={item: value for item, value in change.items() if abs(value) > ROUNDING},
    )


def compare_scores(
    first: TaskRun, second: TaskRun, score: str | None = None
) -> list[TaskComparison]:
    """Compare one score, or every score that both runs have, the task's first one first."""
    headline = compare_task_runs(first, second, score)
    if score is not None:
        return [headline]
    others = [name for name in headline.first_summary.scores if name != headline.score]
    both = [name for name in others if name in headline.second_summary.scores]
    return [headline, *(compare_task_runs(first, second, name) for name in both)]


def _differences(first: Fingerprint, second: Fingerprint) -> list[str]:
    """Without the texts of prompts, whose hashes say enough."""
    return [line for line in changes(first, second, "model") if not line.startswith("prompt.first")]
