"""Checkpoints: saved while training goes on, written down when they are whole, found again.

A record names the optimizer steps that its state contains, no more and no fewer, and what a loop
needs to go on: the position in the data, tokens and seconds so far.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cattrs
import tinker
from attrs import evolve, field, frozen, validators
from tinker import types

from tinker_core import CheckpointError
from tinker_train.cadence import Progress
from tinker_train.engine import Forget, engine_errors
from tinker_train.files import append_row, keep_rows, read_rows

logger = logging.getLogger(__name__)
_VERSION = 1


@frozen(kw_only=True)
class CheckpointRecord:
    """One line of `checkpoints.jsonl`."""

    name: str
    progress: Progress
    """Steps, tokens and seconds that the state contains."""
    position: Mapping[str, int] = field(factory=dict)
    """Where the data goes on."""
    state_path: str | None = None
    """Weights and optimizer, to go on training from; a `tinker://` path."""
    sampler_path: str | None = None
    """Weights to sample from; a `tinker://` path."""
    final: bool = False
    """Whether the run was complete with it."""
    time: float = field(factory=time.time)
    """When it was submitted, in seconds since 1970."""
    version: int = field(default=_VERSION, validator=validators.in_([_VERSION]))

    @property
    def step(self) -> int:
        """Optimizer steps that the state contains."""
        return self.progress.step


@frozen(kw_only=True)
class SubmittedCheckpoint:
    """A checkpoint that the engine has been asked for; its record lacks the paths still."""

    record: CheckpointRecord
    state: tinker.APIFuture[types.SaveWeightsResponse] | None
    sampler: tinker.APIFuture[types.SaveWeightsForSamplerResponse] | None


def submit_checkpoint(
    training: tinker.TrainingClient,
    record: CheckpointRecord,
    *,
    state: bool = True,
    sampler: bool = False,
    ttl_seconds: int | None = None,
) -> SubmittedCheckpoint:
    """Ask for a save of the model as the calls submitted so far leave it, and return at once."""
    return SubmittedCheckpoint(
        record=record,
        state=training.save_state(record.name, ttl_seconds=ttl_seconds) if state else None,
        sampler=training.save_weights_for_sampler(record.name, ttl_seconds=ttl_seconds)
        if sampler
        else None,
    )


async def finish_checkpoint(checkpoint: SubmittedCheckpoint, file: Path) -> CheckpointRecord:
    """Wait until the engine has saved, and only then add the record to the file."""
    record = checkpoint.record
    with engine_errors(f"save of checkpoint {record.name}"):
        if checkpoint.state is not None:
            record = evolve(record, state_path=(await checkpoint.state).path)
        if checkpoint.sampler is not None:
            record = evolve(record, sampler_path=(await checkpoint.sampler).path)
    append_row(file, cattrs.unstructure(record))
    return record


async def forget_old(file: Path, keep: int, forget: Forget) -> None:
    """Delete all but the newest `keep` of the checkpoints that serve for nothing but a resume.

    A record goes before its checkpoint does, so that none names what is not there. A checkpoint
    that cannot be deleted is left where it is, with a warning.
    """
    passing = [r for r in read_checkpoints(file) if not r.final and r.sampler_path is None]
    old = {record.state_path for record in passing[:-keep] if record.state_path is not None}
    if old:
        keep_rows(file, lambda row: row.get("state_path") not in old)
    for path in sorted(old):
        try:
            await forget(path)
        except tinker.TinkerError as error:
            logger.warning("checkpoint %s could not be deleted: %s", path, error)


def read_checkpoints(file: Path) -> list[CheckpointRecord]:
    """All records, oldest first; raises CheckpointError for one that this version cannot read."""
    return [_record(row, file, number) for number, row in enumerate(read_rows(file), start=1)]


def last_checkpoint(file: Path) -> CheckpointRecord | None:
    """The newest record that training can go on from."""
    with_state = [record for record in read_checkpoints(file) if record.state_path is not None]
    return with_state[-1] if with_state else None


def _record(row: Mapping[str, Any], file: Path, number: int) -> CheckpointRecord:
    try:
        return cattrs.structure(row, CheckpointRecord)
    except (cattrs.BaseValidationError, TypeError, ValueError) as error:
        raise CheckpointError(f"{file}:{number}: not a checkpoint of this version") from error
