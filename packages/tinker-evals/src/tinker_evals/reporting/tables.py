"""The tables that `tinker-evals` prints: scores of a run, and the comparison of two."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from rich.table import Table

from tinker_evals.reporting.compare import TaskComparison
from tinker_evals.run.summary import Summary
from tinker_evals.statistics.estimate import Estimate


def score_table(rows: Iterable[tuple[str, Summary, int]]) -> Table:
    """Every score of each task; a row is a task's name, its summary, and its number of errors."""
    table = _table("task", "score", "value", "standard error", "95 % interval", "n", "apart")
    for task, summary, errored in rows:
        apart = _apart(summary.counts, errored)
        passes = {f"pass@{k}": estimate for k, estimate in summary.pass_at.items()}
        for row, (name, estimate) in enumerate({**summary.scores, **passes}.items()):
            first = (task, apart) if row == 0 else ("", "")
            table.add_row(first[0], name, *_cells(estimate), first[1])
        if not summary.scores:
            table.add_row(task, "-", "-", "-", "-", "0", apart)
    return table


def comparison_table(compared: Sequence[TaskComparison]) -> Table:
    """The second run's scores against the first's."""
    columns = ("task", "score", "first", "second", "difference", "95 % interval", "p", "n")
    table = _table(*columns, "+", "-")
    shown = None
    for row in compared:
        c = row.comparison
        first, second = (s.scores[row.score].value for s in (row.first_summary, row.second_summary))
        table.add_row(
            "" if row.task == shown else row.task,
            row.score,
            f"{first:.3f}",
            f"{second:.3f}",
            f"{c.difference.value:+.3f} ± {c.difference.standard_error:.3f}",
            f"{c.difference.low:+.3f} to {c.difference.high:+.3f}",
            "<0.0001" if c.p_value < 1e-4 else f"{c.p_value:.4f}",
            str(c.difference.n),
            str(c.better),
            str(c.worse),
        )
        shown = row.task
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _cells(estimate: Estimate) -> tuple[str, str, str, str]:
    return (
        f"{estimate.value:.3f}",
        "-" if math.isnan(estimate.standard_error) else f"{estimate.standard_error:.3f}",
        f"{estimate.low:.3f} to {estimate.high:.3f}",
        str(estimate.n),
    )


def _apart(counts: Mapping[str, int], errored: int) -> str:
    shown = {**counts, "errored": errored}
    return ", ".join(f"{n} {name}" for name, n in shown.items() if n and name != "answered")
