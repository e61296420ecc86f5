"""`tinker-evals report`."""

from __future__ import annotations

from pathlib import Path

import tyro
from attrs import frozen

from tinker_evals.reporting.report import write_eval_report


@frozen(kw_only=True)
class Report:
    """Write an HTML report of runs from their stored samples."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of the runs."""
    html: Path = Path("report.html")
    """File to write."""

    def __call__(self) -> None:
        """Write the report and print its path."""
        print(write_eval_report(self.runs, self.html))
