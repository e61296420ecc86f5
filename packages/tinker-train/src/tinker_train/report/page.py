"""The HTML report: curves, configs, checkpoints, transcripts and times of one or several runs.

The page depends on the files in the run directories and not on the algorithm: every metric is a
curve, every distribution a histogram over the steps, metrics with one prefix are a group, and every
file in `transcripts/` is shown. It is self-contained.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from attrs import frozen

from tinker_core import RunDirectoryError
from tinker_train.checkpoint.record import CheckpointRecord, read_checkpoints
from tinker_train.config.serialization import flatten
from tinker_train.files import atomic_write, read_rows
from tinker_train.metrics.distributions import Counts, histograms, read_distributions
from tinker_train.metrics.rows import last_values, read_metrics
from tinker_train.run.description import read_description
from tinker_train.run.directory import RunDirectory

_TRANSCRIPT_FILES = 20
_TRANSCRIPTS_PER_FILE = 8


@frozen(kw_only=True)
class RunSummary:
    """The data of one run in a report."""

    name: str
    path: Path
    description: dict[str, Any]
    metrics: list[dict[str, Any]]
    checkpoints: list[CheckpointRecord]
    distributions: dict[str, dict[int, Counts]]
    """Counts of values by name and step."""
    transcripts: dict[str, list[dict[str, Any]]]
    """The first entries of each file."""

    @property
    def step(self) -> int:
        """Last step with metrics."""
        return max((row["step"] for row in self.metrics), default=0)

    @property
    def state(self) -> str:
        """`complete` or `not complete`."""
        return "complete" if any(record.final for record in self.checkpoints) else "not complete"

    @property
    def last(self) -> dict[str, Any]:
        """Last value of each metric."""
        return last_values(self.metrics)


def summarise(path: Path, name: str | None = None) -> RunSummary:
    """Read a run directory; raises RunDirectoryError if there is no run."""
    run = RunDirectory(path)
    said = sorted(run.transcripts.glob("*.jsonl"))[-_TRANSCRIPT_FILES:]
    return RunSummary(
        name=name or path.resolve().name,
        path=path,
        description=read_description(path),
        metrics=read_metrics(run.metrics_file),
        checkpoints=read_checkpoints(run.checkpoints_file),
        distributions=read_distributions(run.distributions_file),
        transcripts={file.stem: read_rows(file)[:_TRANSCRIPTS_PER_FILE] for file in said},
    )


def find_runs(folder: Path) -> list[Path]:
    """The run directories in a folder and its subfolders, sorted."""
    if not folder.is_dir():
        raise RunDirectoryError(f"{folder} is not a folder")
    found = (RunDirectory(file.parent) for file in folder.rglob("config.json"))
    return sorted(run.path for run in found if _is_ours(run))


def _is_ours(run: RunDirectory) -> bool:
    """True for the config.json of a run, which has an id, or metrics beside it."""
    return run.metrics_file.exists() or '"run_id"' in run.config_file.read_text(errors="replace")


def write_report(runs: Sequence[Path], to: Path) -> None:
    """Write one page about the runs, with overlaid curves; raises RunDirectoryError for no run."""
    if not runs:
        raise RunDirectoryError("a report needs at least one run")
    names = [path.resolve().name for path in runs]
    if len(set(names)) < len(names):
        names = [str(path) for path in runs]
    summaries = [summarise(path, name) for path, name in zip(runs, names, strict=True)]
    pictures = histograms({run.name: run.distributions for run in summaries})
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(
        files("tinker_train").joinpath("report/report.html.j2").read_text(encoding="utf-8")
    )
    page = template.render(
        runs=summaries,
        settings=settings_table(summaries),
        times=time_table(summaries),
        curves=json.dumps([*_curves(summaries), *pictures]).replace("<", "\\u003c"),
    )
    atomic_write(to, page)


def settings_table(runs: Sequence[RunSummary]) -> list[tuple[str, list[str], bool]]:
    """Each config field: its name, its value in each run, and whether the values differ."""
    flat = [flatten(run.description["config"]) for run in runs]
    names = sorted({name for settings in flat for name in settings})
    rows = [(name, [settings.get(name, "") for settings in flat]) for name in names]
    return [(name, values, len(set(values)) > 1) for name, values in rows]


def time_table(runs: Sequence[RunSummary]) -> list[tuple[str, list[float | None]]]:
    """Mean of each `time/...` metric in seconds, by run."""
    names = sorted({key for run in runs for row in run.metrics for key in row if "time/" in key})
    return [(name, [_mean(run, name) for run in runs]) for name in names]


def _mean(run: RunSummary, name: str) -> float | None:
    values = [row[name] for row in run.metrics if isinstance(row.get(name), int | float)]
    return sum(values) / len(values) if values else None


def _curves(runs: Sequence[RunSummary]) -> list[dict[str, Any]]:
    """Each metric with its points [step, value] in each run."""
    names = {key for run in runs for row in run.metrics for key in row} - {"step"}
    return [
        {
            "name": name,
            "group": name.rpartition("/")[0] or "general",
            "runs": [
                {
                    "name": run.name,
                    "points": [
                        [row["step"], row[name]]
                        for row in run.metrics
                        if isinstance(row.get(name), int | float)
                    ],
                }
                for run in runs
            ],
        }
        for name in sorted(names, key=_order)
    ]


def _order(name: str) -> tuple[int, str]:
    """Sort key: train and test metrics first, sizes and times last."""
    prefix = name.rpartition("/")[0]
    first = {"train": 0, "test": 1, "": 3, "optim": 4, "time": 5}
    return first.get(prefix, 2), name
