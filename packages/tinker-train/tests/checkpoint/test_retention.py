"""Retention: deleting old checkpoints."""

import asyncio

import tinker

from tinker_train import (
    read_checkpoints,
)
from tinker_train.checkpoint.retention import delete_old


def test_the_newest_are_kept_and_the_others_are_deleted_with_their_sampler_weights(tmp_path, save):
    file = tmp_path / "checkpoints.jsonl"
    save(file, 5, state=False, sampler=True)  # somebody saved it to sample from it
    save(file, 20, sampler=True)
    save(file, 30)
    save(file, 40, sampler=True)
    gone = []

    async def delete(path):
        named = [path for record in read_checkpoints(file) for path in record.paths]
        assert path not in named  # its record went first
        gone.append(path)

    asyncio.run(delete_old(file, 1, delete))
    assert [record.step for record in read_checkpoints(file)] == [5, 40]
    assert [path.split("/", 3)[3] for path in gone] == [
        "weights/000020",
        "sampler_weights/000020",
        "weights/000030",
    ]
    asyncio.run(delete_old(file, 1, delete))
    assert len(gone) == 3


def test_a_checkpoint_that_cannot_be_deleted_stops_nothing(tmp_path, caplog, save):
    file = tmp_path / "checkpoints.jsonl"
    save(file, 10)
    save(file, 20)

    async def delete(path):
        raise tinker.TinkerError("not allowed")

    asyncio.run(delete_old(file, 1, delete))
    assert "000010 could not be deleted: not allowed" in caplog.text
    assert [record.step for record in read_checkpoints(file)] == [20]
