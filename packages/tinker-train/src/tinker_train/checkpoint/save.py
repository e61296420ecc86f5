"""Saving checkpoints: submitted without waiting, recorded once the engine has saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cattrs
import tinker
from attrs import evolve, frozen
from tinker import types

from tinker_core.engine.errors import engine_errors
from tinker_train.checkpoint.record import CheckpointRecord
from tinker_train.files import append_row


@frozen(kw_only=True)
class SubmittedCheckpoint:
    """A checkpoint whose save is submitted; its record has no paths yet."""

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
    """Submit a save of the model after all calls submitted so far, and return at once."""
    options: Any = {"ttl_seconds": ttl_seconds, "user_metadata": dict(record.metadata)}
    return SubmittedCheckpoint(
        record=record,
        state=training.save_state(record.name, **options) if state else None,
        sampler=training.save_weights_for_sampler(record.name, **options) if sampler else None,
    )


async def finish_checkpoint(checkpoint: SubmittedCheckpoint, file: Path) -> CheckpointRecord:
    """Wait until the engine has saved, then append the record to the file; returns it."""
    record = checkpoint.record
    with engine_errors(f"save of checkpoint {record.name}"):
        if checkpoint.state is not None:
            record = evolve(record, state_path=(await checkpoint.state).path)
        if checkpoint.sampler is not None:
            record = evolve(record, sampler_path=(await checkpoint.sampler).path)
    append_row(file, cattrs.unstructure(record))
    return record
