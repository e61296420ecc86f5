"""Two runs of a task side by side: the same problems, paired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from tinker_core import ConfigError, RunDirectoryError
from tinker_evals.run.fingerprint import NOT_COMPARED
from tinker_evals.run.result import Summary, by_item, clusters, mean_score, summarize
from tinker_evals.run.sample import Sample
from tinker_evals.run.sample_store import SETUP, read_json, read_samples, task_folders
from tinker_evals.statistics.estimates import Comparison, compare_paired
from tinker_train.config.serialization import differences


@frozen(kw_only=True)
class Side:
    """The stored replies of one run."""

    folder: Path
    setup: Mapping[str, Any]
    samples: Sequence[Sample]

    @property
    def model(self) -> str:
        """Whose they are."""
        return str(self.setup["model"])


@frozen(kw_only=True)
class Compared:
    """A task in two runs."""

    task: str
    score: str
    """Which score is compared."""
    first: Side
    second: Side
    first_summary: Summary
    """Of the problems that both answered, and so the second's."""
    second_summary: Summary
    comparison: Comparison
    unpaired: int
    """Problems that only one of the two has an answer to; they are left out."""
    differs: tuple[str, ...]
    """What else than the model is not the same: the numbers may differ because of it."""
    changed: Mapping[str, float]
    """Of the problems that went differently: the second's score minus the first's."""


def read_side(folder: Path) -> Side:
    """A task's folder, as `run_task` leaves it."""
    if not (folder / SETUP).exists():
        raise RunDirectoryError(f"{folder} holds no answers: there is no {SETUP}")
    return Side(folder=folder, setup=read_json(folder / SETUP), samples=read_samples(folder))


def compare_sides(first: Side, second: Side, score: str | None = None) -> Compared:
    """Pair the problems of two runs of one task.

    Raises ConfigError where the tasks are not the same, where no problem is in both, and for an
    unknown score.
    """
    task = first.setup["task"]
    if task != second.setup["task"]:
        raise ConfigError(f"{task} cannot be compared with {second.setup['task']}")
    ours, theirs = by_item(first.samples), by_item(second.samples)
    both = [item for item in ours if item in theirs]
    if not both:
        raise ConfigError(
            f"no problem of {task} was answered in {first.folder} and {second.folder}"
        )
    scores = ours[both[0]][0].scores
    name = score or next(iter(scores))
    if name not in scores:
        raise ConfigError(f"{task} has no score {name!r}; it has {', '.join(scores)}")
    before, after = ([mean_score(side[item], name) for item in both] for side in (ours, theirs))
    rows = [ours[item][0] for item in both]
    change = {item: b - a for item, a, b in zip(both, before, after, strict=True)}
    return Compared(
        task=task,
        score=name,
        first=first,
        second=second,
        first_summary=summarize(s for item in both for s in ours[item]),
        second_summary=summarize(s for item in both for s in theirs[item]),
        comparison=compare_paired(before, after, clusters(rows)),
        unpaired=len(set(ours) ^ set(theirs)),
        differs=tuple(_differs(first.setup, second.setup)),
        changed={item: value for item, value in change.items() if value},
    )


def compare_scores(first: Side, second: Side, score: str | None = None) -> list[Compared]:
    """One score, or every score that both have, the task's own first one first. As above."""
    headline = compare_sides(first, second, score)
    if score is not None:
        return [headline]
    others = [name for name in headline.first_summary.scores if name != headline.score]
    both = [name for name in others if name in headline.second_summary.scores]
    return [headline, *(compare_sides(first, second, name) for name in both)]


def pair_folders(first: Path, second: Path) -> list[tuple[Path, Path]]:
    """The folders of the same task in two runs; a run is a task's folder, or holds some.

    Raises RunDirectoryError where they have no task in common.
    """
    ours, theirs = task_folders(first), task_folders(second)
    pairs = [(ours[name], theirs[name]) for name in ours if name in theirs]
    if not pairs:
        raise RunDirectoryError(
            f"{first} ({', '.join(ours)}) and {second} ({', '.join(theirs)}) share no task"
        )
    return pairs


def _differs(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    left_out = ("model", *NOT_COMPARED)
    ours, theirs = (
        {key: value for key, value in setup.items() if key not in left_out}
        for setup in (first, second)
    )
    return [line for line in differences(ours, theirs) if not line.startswith("prompt.first")]
