"""`tinker-evals compare`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import tyro
from attrs import frozen

from tinker_evals.cli.console import console
from tinker_evals.reporting.compare import (
    RunPairs,
    TaskComparison,
    compare_scores,
    pair_runs,
    read_task_run,
)
from tinker_evals.reporting.report import write_eval_report
from tinker_evals.reporting.tables import comparison_table


@frozen(kw_only=True)
class Compare:
    """Compare two runs, paired by item."""

    first: tyro.conf.Positional[Path]
    """Folder of a run, or of one task in it."""
    second: tyro.conf.Positional[Path]
    """Folder of the other run."""
    score: str | None = None
    """Name of one score; default: all."""
    html: Path | None = None
    """Also write a report of both runs to this file."""

    def __call__(self) -> None:
        """Print the table, and what else differs."""
        pairs = pair_runs(self.first, self.second)
        tasks = [
            compare_scores(read_task_run(a), read_task_run(b), self.score) for a, b in pairs.both
        ]
        screen = console()
        screen.print(f"first   {tasks[0][0].first.model}", markup=False)
        screen.print(f"second  {tasks[0][0].second.model}", markup=False)
        screen.print(comparison_table([row for scores in tasks for row in scores]))
        for note in (*map(_note, (scores[0] for scores in tasks)), *_unshared(pairs)):
            if note:
                screen.print(note, markup=False)
        if self.html is not None:
            written = write_eval_report([self.first, self.second], self.html)
            screen.print(f"report: {written}", markup=False)


def _note(row: TaskComparison) -> str:
    lines = []
    if row.unpaired:
        lines.append(f"{row.task}: {row.unpaired} items left out, answered by one run only")
    if row.differs:
        lines.append(f"{row.task}: also different: {'; '.join(row.differs)}")
    return "\n".join(lines)


def _unshared(pairs: RunPairs) -> Iterator[str]:
    for which, names in (("first", pairs.only_first), ("second", pairs.only_second)):
        if names:
            yield f"only in the {which} run: {', '.join(names)}"
