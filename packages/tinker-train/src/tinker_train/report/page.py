"""Runs as one page to look at: curves, configs, checkpoints, transcripts, where the time went.

The page is driven by what lies in the run directories and knows no algorithm: every metric is a
curve, every distribution a histogram over the steps, metrics of one prefix stand together, every
file under `transcripts/` is shown. It needs no other file, no server and no network.
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
    """What a report shows of one run."""

    name: str
    path: Path
    description: dict[str, Any]
    metrics: list[dict[str, Any]]
    checkpoints: list[CheckpointRecord]
    distributions: dict[str, dict[int, Counts]]
    """By name and step: how often each value came."""
    transcripts: dict[str, list[dict[str, Any]]]
    """By file: the first few entries."""

    @property
    def step(self) -> int:
        """The last step with metrics."""
        return max((row["step"] for row in self.metrics), default=0)

    @property
    def state(self) -> str:
        """Whether the run came to its end."""
        return "complete" if any(record.final for record in self.checkpoints) else "not complete"

    @property
    def last(self) -> dict[str, Any]:
        """The last value of every metric."""
        return last_values(self.metrics)


def summarise(path: Path, name: str | None = None) -> RunSummary:
    """Read a run's folder; raises RunDirectoryError where there is none."""
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
    """The folders at or below this one that hold a run, by name."""
    if not folder.is_dir():
        raise RunDirectoryError(f"{folder} is no folder")
    found = (RunDirectory(file.parent) for file in folder.rglob("config.json"))
    return sorted(run.path for run in found if _is_ours(run))


def _is_ours(run: RunDirectory) -> bool:
    """Many things have a config.json; a run's has an id, or metrics beside it."""
    return run.metrics_file.exists() or '"run_id"' in run.config_file.read_text(errors="replace")


def write_report(runs: Sequence[Path], to: Path) -> None:
    """One page about the runs, their curves over each other; raises RunDirectoryError for none."""
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
    """Each config field: its name, its value in each run, and whether the runs differ in it."""
    flat = [flatten(run.description["config"]) for run in runs]
    names = sorted({name for settings in flat for name in settings})
    rows = [(name, [settings.get(name, "") for settings in flat]) for name in names]
    return [(name, values, len(set(values)) > 1) for name, values in rows]


def time_table(runs: Sequence[RunSummary]) -> list[tuple[str, list[float | None]]]:
    """Mean seconds of each `time/...` metric, by run."""
    names = sorted({key for run in runs for row in run.metrics for key in row if "time/" in key})
    return [(name, [_mean(run, name) for run in runs]) for name in names]


def _mean(run: RunSummary, name: str) -> float | None:
    values = [row[name] for row in run.metrics if isinstance(row.get(name), int | float)]
    return sum(values) / len(values) if values else None


def _curves(runs: Sequence[RunSummary]) -> list[dict[str, Any]]:
    """Each metric with, for each run, its points [step, value]."""
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
    """What was trained and measured first, sizes and times last."""
    prefix = name.rpartition("/")[0]
    first = {"train": 0, "test": 1, "": 3, "optim": 4, "time": 5}
    return first.get(prefix, 2), name
