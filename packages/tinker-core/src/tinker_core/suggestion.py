"""Suggest the known name that a misspelt name probably means."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.5) -> str:
    """`did you mean a or b?`; empty if no known name is similar."""
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=cutoff)
    return f"did you mean {' or '.join(close)}?" if close else ""


def known_names(name: str, known: Iterable[str]) -> str:
    """`did you mean a or b?`, or `known: a, b, c` if no known name is similar."""
    names = list(known)
    return did_you_mean(name, names) or f"known: {', '.join(names)}"
