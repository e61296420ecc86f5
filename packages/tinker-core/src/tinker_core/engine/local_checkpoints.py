"""Checkpoints of a local engine, read where it keeps them, without starting it."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

CHECKPOINTS = "tinker.checkpoints"
"""Entry points that map a `tinker://` path to its folder, or to None where it is not there."""


def local_folder(path: str) -> Path | None:
    """The folder of a checkpoint that an engine on this machine has stored; None: none has."""
    for entry_point in entry_points(group=CHECKPOINTS):
        found: Path | None = entry_point.load()(path)
        if found is not None:
            return found
    return None
