"""What a person sees: how far a run is, with its score so far, and tables at the end."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence

from attrs import define, field
from rich.console import Console
from rich.table import Table

from tinker_evals.reporting.compare import Compared
from tinker_evals.run.result import Summary, TaskResult
from tinker_evals.run.runner import Tally
from tinker_evals.statistics.estimates import Estimate

_SECONDS_BETWEEN = {True: 0.5, False: 10.0}
"""By whether it is a terminal: there a line is written over, in a log each stays."""


@define
class Progress:
    """Shows a run's tally now and then."""

    task: str
    console: Console
    _began: float = field(factory=time.monotonic)
    _last: float = field(factory=time.monotonic)

    def __call__(self, tally: Tally) -> None:
        """A problem is done."""
        now, ends = time.monotonic(), tally.stored + tally.finished == tally.items
        if not ends and now - self._last < _SECONDS_BETWEEN[self.console.is_terminal]:
            return
        self._last = now
        over = "\r" if self.console.is_terminal else ""
        end = "\n" if ends or not over else ""
        self.console.print(f"{over}{self._line(tally, now)}", end=end, markup=False)

    def _line(self, tally: Tally, now: float) -> str:
        done = tally.stored + tally.finished
        rate = tally.finished / max(now - self._began, 1e-9)
        left = (
            f"  {_clock((tally.items - done) / rate)} left" if rate and done < tally.items else ""
        )
        summary = tally.summary()
        score = f"  {_score(summary)}" if summary.scores else ""
        errored = f"  {len(tally.errored)} errored" if tally.errored else ""
        return f"{self.task}  {done}/{tally.items}{score}{errored}{left}"


def _score(summary: Summary) -> str:
    name = next(iter(summary.scores))
    return f"{name} {summary.headline}"


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def result_table(results: Iterable[TaskResult]) -> Table:
    """Every score of every task."""
    table = _table("task", "score", "value", "standard error", "95 % interval", "n", "apart")
    for result in results:
        summary = result.summary
        more = {f"pass@{k}": estimate for k, estimate in summary.pass_at.items()}
        for row, (name, estimate) in enumerate({**summary.scores, **more}.items()):
            apart = "" if row else _apart(summary.counts, len(result.errored))
            table.add_row("" if row else result.task, name, *_cells(estimate), apart)
        if not summary.scores:
            table.add_row(result.task, "-", "-", "-", "-", "0", _apart({}, len(result.errored)))
    return table


def comparison_table(compared: Sequence[Compared]) -> Table:
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
