"""The console of the commands."""

from __future__ import annotations

from rich.console import Console


def console() -> Console:
    """The console at the width of the terminal, or 140 columns in a file or a pipe."""
    found = Console(soft_wrap=True, highlight=False)
    return found if found.is_terminal else Console(soft_wrap=True, highlight=False, width=140)
