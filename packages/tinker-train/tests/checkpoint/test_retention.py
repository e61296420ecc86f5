"""Retention: deleting old checkpoints."""

import asyncio

import tinker

from tinker_train import (
    read_checkpoints,
)
from tinker_train.checkpoint.retention import delete_old
from tinker_train.files import append_row


def test_only_the_newest_are_kept_of_those_that_a_resume_needs(tmp_path, save):
    file = tmp_path / "checkpoints.jsonl"
    append_row(file, {"name": "none", "progress": {"step": 5}, "version": 1})  # it has no state
    save(file, 10, sampler=True)  # somebody may sample from it
    for step in (20, 30, 40):
        save(file, step)
    gone = []

    async def delete(path):
        named = [record.state_path for record in read_checkpoints(file)]
        assert path not in named  # its record went first
        gone.append(path)

    asyncio.run(delete_old(file, 1, delete))
    assert [record.step for record in read_checkpoints(file)] == [5, 10, 40]
    assert [path[-2:] for path in gone] == ["20", "30"]
    asyncio.run(delete_old(file, 1, delete))
    assert len(gone) == 2


def test_a_checkpoint_that_cannot_be_deleted_stops_nothing(tmp_path, caplog, save):
    file = tmp_path / "checkpoints.jsonl"
    save(file, 10)
    save(file, 20)

    async def delete(path):
        raise tinker.TinkerError("not allowed")

    asyncio.run(delete_old(file, 1, delete))
    assert "000010 could not be deleted: not allowed" in caplog.text
    assert [record.step for record in read_checkpoints(file)] == [20]
