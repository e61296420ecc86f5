"""The uses of a checkpoint, by the runs that name it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tinker_weights.checkpoint.path import SCHEME
from tinker_weights.checkpoint.run_directory import RunDirectory, find_runs, read_run
from tinker_weights.inventory.engine import EngineCheckpoint

RUN_DIRECTORY = "run_dir"
"""The key of a checkpoint's metadata that names the run's folder."""


def read_runs(folder: Path, checkpoints: Iterable[EngineCheckpoint]) -> list[RunDirectory]:
    """The runs under a folder, and those elsewhere on this machine that saved a checkpoint."""
    folders = {path.resolve() for path in find_runs(folder)}
    for checkpoint in checkpoints:
        named = checkpoint.metadata.get(RUN_DIRECTORY)
        if named and Path(named).is_dir():
            folders.update(path.resolve() for path in find_runs(Path(named)))
    return [read_run(path) for path in sorted(folders)]


def needs(
    runs: Sequence[RunDirectory], checkpoints: Sequence[EngineCheckpoint]
) -> dict[str, list[str]]:
    """Reasons to keep each checkpoint, by its path; a path without a reason is not in there."""
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    for run in runs:
        for path, reason in _of_run(run):
            if reason not in reasons[path]:
                reasons[path].append(reason)
    for path in _newest_of_unknown_runs(runs, checkpoints):
        reasons[path].append("newest state of a run whose folder is not known here")
    return dict(reasons)


def _of_run(run: RunDirectory) -> Iterator[tuple[str, str]]:
    with_state = [each for each in run.checkpoints if each.state_path is not None]
    if with_state and not run.is_complete and with_state[-1].state_path is not None:
        yield with_state[-1].state_path, f"resume of {run.folder} (step {with_state[-1].step})"
    usable = [each for each in run.checkpoints if each.paths]
    if usable:
        what = "final" if usable[-1].final else "newest"
        for path in usable[-1].paths:
            yield path, f"{what} weights of {run.folder} (step {usable[-1].step})"
    for field, path in _paths_in(run.config):
        yield path, f"{field} of {run.folder}"


def _paths_in(value: Any, place: str = "config") -> Iterator[tuple[str, str]]:
    """Every tinker:// path in a config, and the field that holds it."""
    if isinstance(value, str) and value.startswith(SCHEME):
        yield place, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _paths_in(inner, str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from _paths_in(inner, place)


def _newest_of_unknown_runs(
    runs: Sequence[RunDirectory], checkpoints: Sequence[EngineCheckpoint]
) -> Iterator[str]:
    """A run that is not on this machine may still be resumed elsewhere."""
    known = {path for run in runs for each in run.checkpoints for path in each.paths}
    known_runs = {checkpoint.run for checkpoint in checkpoints if checkpoint.path in known}
    seen: set[str] = set()
    for checkpoint in checkpoints:  # newest first
        if checkpoint.kind == "weights" and checkpoint.run not in {*known_runs, *seen}:
            seen.add(checkpoint.run)
            yield checkpoint.path
