"""Retention: deleting old checkpoints."""

from __future__ import annotations

import logging
from pathlib import Path

import tinker

from tinker_train.checkpoint.record import read_checkpoints
from tinker_train.engine.connect import DeleteCheckpoint
from tinker_train.files import keep_rows

logger = logging.getLogger(__name__)


async def delete_old(file: Path, keep: int, delete: DeleteCheckpoint) -> None:
    """Delete all but the newest `keep` of the checkpoints that are not the end of a complete run.

    The record is removed before the checkpoint, so no record names a missing checkpoint. A
    checkpoint that cannot be deleted is left in place with a warning.
    """
    with_state = [r for r in read_checkpoints(file) if not r.final and r.state_path is not None]
    old = with_state[:-keep]
    gone = {record.state_path for record in old}
    if old:
        keep_rows(file, lambda row: row.get("state_path") not in gone)
    for path in [path for record in old for path in record.paths]:
        try:
            await delete(path)
        except tinker.TinkerError as error:
            logger.warning("checkpoint %s could not be deleted: %s", path, error)
