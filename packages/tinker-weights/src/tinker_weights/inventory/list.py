"""`list`: the checkpoints of the engine and of runs."""

from __future__ import annotations

from pathlib import Path

import tyro
from attrs import field, frozen

from tinker_weights.inventory.engine import EngineCheckpoint, all_checkpoints, open_engine
from tinker_weights.inventory.needs import needs, read_runs


@frozen(kw_only=True)
class ListedCheckpoint:
    """A checkpoint, and the reasons to keep it."""

    checkpoint: EngineCheckpoint
    needed_for: tuple[str, ...] = field(factory=tuple)


@frozen(kw_only=True)
class Listing:
    """The checkpoints that an engine has, and those that are missing there."""

    checkpoints: tuple[ListedCheckpoint, ...]
    """Newest first."""
    missing: tuple[tuple[str, str], ...]
    """Checkpoints that a run needs and the engine does not have: path, and what for."""

    @property
    def size(self) -> int:
        """Of all checkpoints, in bytes."""
        return sum(row.checkpoint.size or 0 for row in self.checkpoints)

    @property
    def unneeded_size(self) -> int:
        """Of those that nothing needs."""
        return sum(row.checkpoint.size or 0 for row in self.checkpoints if not row.needed_for)


def list(runs: tyro.conf.Positional[str | Path] = ".") -> Listing:
    """List the engine's checkpoints: sizes, ages, and what still needs them.

    Args:
        runs: A folder with runs. Runs elsewhere are found where their checkpoints name them.
    """
    with open_engine() as rest:
        checkpoints = all_checkpoints(rest)
    reasons = needs(read_runs(Path(runs).expanduser(), checkpoints), checkpoints)
    there = {checkpoint.path for checkpoint in checkpoints}
    return Listing(
        checkpoints=tuple(
            ListedCheckpoint(
                checkpoint=checkpoint, needed_for=tuple(reasons.get(checkpoint.path, ()))
            )
            for checkpoint in checkpoints
        ),
        missing=tuple(
            (path, reason)
            for path, its in sorted(reasons.items())
            for reason in its
            if path not in there
        ),
    )
