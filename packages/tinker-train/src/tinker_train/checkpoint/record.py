"""Records of checkpoints in `checkpoints.jsonl`.

A record holds the number of optimizer steps in its state, and what a loop needs to resume: the data
position, tokens and seconds.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cattrs
from attrs import field, frozen, validators

from tinker_core import CheckpointError
from tinker_train.config.cadence import Progress
from tinker_train.files import read_rows

logger = logging.getLogger(__name__)
_VERSION = 1


@frozen(kw_only=True)
class CheckpointRecord:
    """One line of `checkpoints.jsonl`."""

    name: str
    progress: Progress
    """Steps, tokens and seconds that the state contains."""
    position: Mapping[str, int] = field(factory=dict)
    """Data position of the next step."""
    state_path: str | None = None
    """Weights and optimizer state, to resume training; a `tinker://` path."""
    sampler_path: str | None = None
    """Weights to sample from; a `tinker://` path."""
    metadata: Mapping[str, str] = field(factory=dict)
    """The facts of its training; at the engine, its `user_metadata`."""
    final: bool = False
    """True if it is the last checkpoint of a complete run."""
    time: float = field(factory=time.time)
    """Time of its submission, in seconds since 1970."""
    version: int = field(default=_VERSION, validator=validators.in_([_VERSION]))

    @property
    def step(self) -> int:
        """Optimizer steps in the state."""
        return self.progress.step

    @property
    def paths(self) -> tuple[str, ...]:
        """Its `tinker://` paths."""
        return tuple(path for path in (self.state_path, self.sampler_path) if path is not None)


def read_checkpoints(file: Path) -> list[CheckpointRecord]:
    """All records, oldest first; raises CheckpointError for an unreadable one."""
    return [_record(row, file, number) for number, row in enumerate(read_rows(file), start=1)]


def last_checkpoint(file: Path) -> CheckpointRecord | None:
    """The newest record with a state to resume from; None if there is none."""
    with_state = [record for record in read_checkpoints(file) if record.state_path is not None]
    return with_state[-1] if with_state else None


def _record(row: Mapping[str, Any], file: Path, number: int) -> CheckpointRecord:
    try:
        return cattrs.structure(row, CheckpointRecord)
    except (cattrs.BaseValidationError, TypeError, ValueError) as error:
        problem = f"{file}:{number}: not a checkpoint record of version {_VERSION}"
        raise CheckpointError(problem) from error
