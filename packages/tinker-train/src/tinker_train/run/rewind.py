"""Rewinding a run directory to its last checkpoint, before a resume."""

from __future__ import annotations

from tinker_train.checkpoint.record import CheckpointRecord, last_checkpoint
from tinker_train.files import keep_rows
from tinker_train.run.directory import RunDirectory


def rewind(run: RunDirectory) -> CheckpointRecord | None:
    """Remove the rows after the last checkpoint, which a resume writes again.

    Returns that checkpoint. Without one the run starts from scratch and all rows are removed.
    """
    checkpoint = last_checkpoint(run.checkpoints_file)
    last_step = -1 if checkpoint is None else checkpoint.step
    keep_rows(run.checkpoints_file, lambda _: True)
    for file in (run.metrics_file, run.distributions_file):
        keep_rows(file, lambda row: row["step"] <= last_step)
    return checkpoint
