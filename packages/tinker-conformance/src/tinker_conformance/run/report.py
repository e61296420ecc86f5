"""Results on the terminal and as a JSON file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from attrs import frozen
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tinker_conformance.run.result import STATUSES, Result, Status
from tinker_conformance.target import Target

STYLES: dict[Status, str] = {
    "passed": "green",
    "failed": "bold red",
    "not supported": "yellow",
    "blocked": "magenta",
}


def wide_console() -> Console:
    """stdout; where that is no terminal, as wide as the tables need."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=120)


@frozen
class Report:
    """The results of a run."""

    target: Target
    results: Sequence[Result]

    def count(self, status: Status) -> int:
        return sum(result.status == status for result in self.results)

    @property
    def notes(self) -> dict[str, str]:
        """All observations."""
        return {name: note for result in self.results for name, note in result.notes.items()}

    def write(self, path: Path) -> None:
        """Write everything as JSON; the API key is not part of it."""
        content = {
            "base_url": self.target.base_url,
            "model": self.target.model,
            "precision": self.target.precision,
            "versions": {name: version(name) for name in ("tinker-conformance", "tinker")},
            "counts": {status: self.count(status) for status in STATUSES},
            "notes": self.notes,
            "results": [result.to_json() for result in self.results],
        }
        path.write_text(json.dumps(content, indent=1) + "\n")

    def print(self, console: Console) -> None:
        """Failures first, then what is not supported, the observations, and the table."""
        for result in self.results:
            if result.status == "failed":
                console.print(f"\n[bold red]FAILED[/] {escape(str(result))}", soft_wrap=True)
        for status in ("not supported", "blocked"):
            for result in self.results:
                if result.status == status:
                    reason = escape(result.what)
                    console.print(
                        f"[{STYLES[result.status]}]{status}[/] {result.check}: {reason}",
                        soft_wrap=True,
                    )
        if self.notes:
            console.print("\nObserved, not judged:")
            for name, note in self.notes.items():
                console.print(f"  {escape(name)}: {escape(note)}", soft_wrap=True)
        console.print(_table(self.results))


def print_result(console: Console, result: Result) -> None:
    """One line as soon as a check is done."""
    style = STYLES[result.status]
    console.print(f"[{style}]{result.status:13}[/] {result.check:44} {result.seconds:6.2f} s")


def _table(results: Sequence[Result]) -> Table:
    """One row a group."""
    table = Table("group", *STATUSES, "seconds")
    groups = list(dict.fromkeys(result.group for result in results))
    for group in [*groups, None]:
        rows = [result for result in results if group in (None, result.group)]
        counts = Counter(result.status for result in rows)
        cells = [f"[{STYLES[s]}]{counts[s]}[/]" if counts[s] else "" for s in STATUSES]
        if group is None:
            table.add_section()
        seconds = sum(result.seconds for result in rows)
        table.add_row(group or "all", *cells, f"{seconds:.1f}")
    return table
