"""Checkpoints and their records."""

import asyncio
import json

import pytest
import tinker
from attrs import evolve

from tinker_core import CheckpointError, EngineError
from tinker_core.testing import BigramService, ReadyFuture
from tinker_train import (
    CheckpointRecord,
    Progress,
    finish_checkpoint,
    last_checkpoint,
    read_checkpoints,
    submit_checkpoint,
)
from tinker_train.checkpoint.retention import delete_old
from tinker_train.checkpoint.save import SubmittedCheckpoint
from tinker_train.files import append_row


@pytest.fixture
def training(tmp_path):
    return BigramService(tmp_path / "engine").create_lora_training_client("double").result()


def record(step, **fields):
    return CheckpointRecord(
        name=f"{step:06d}",
        progress=Progress(step=step, tokens=step * 10),
        position={"epoch": 0, "batch": step},
        **fields,
    )


def save(training, file, step, **options):
    return asyncio.run(
        finish_checkpoint(submit_checkpoint(training, record(step), **options), file)
    )


def test_a_record_comes_back_from_the_file_as_it_was_written(training, tmp_path):
    file = tmp_path / "checkpoints.jsonl"
    first = save(training, file, 10)
    second = save(training, file, 20, sampler=True)
    assert read_checkpoints(file) == [first, second]
    assert last_checkpoint(file) == second
    assert second.state_path.endswith("/weights/000020")
    assert second.sampler_path.endswith("/sampler_weights/000020")
    assert first.sampler_path is None


def test_nothing_is_recorded_before_the_engine_has_saved(tmp_path):
    file = tmp_path / "checkpoints.jsonl"
    seen = []

    class Saving(ReadyFuture):
        async def result_async(self, timeout=None):
            seen.append(file.exists())
            return await super().result_async(timeout)

    training = BigramService(tmp_path / "engine").create_lora_training_client("double").result()
    saved = training.save_state("000001").result()
    checkpoint = SubmittedCheckpoint(record=record(1), state=Saving(lambda: saved), sampler=None)
    asyncio.run(finish_checkpoint(checkpoint, file))
    assert seen == [False]
    assert file.exists()


def test_a_save_that_fails_is_not_recorded(training, tmp_path):
    file = tmp_path / "checkpoints.jsonl"
    save(training, file, 10)
    with pytest.raises(EngineError, match=r"save of checkpoint 000010: .*exists"):
        save(training, file, 10)
    assert len(read_checkpoints(file)) == 1


def test_a_resume_takes_the_last_record_that_is_whole_and_has_a_state(training, tmp_path):
    file = tmp_path / "checkpoints.jsonl"
    good = save(training, file, 10)
    save(training, file, 20, state=False, sampler=True)
    with file.open("a") as torn:
        torn.write('{"name": "000030", "progr')
    assert last_checkpoint(file) == good
    assert last_checkpoint(tmp_path / "none.jsonl") is None


def test_a_record_of_another_version_is_an_error_and_not_misread(tmp_path):
    file = tmp_path / "checkpoints.jsonl"
    append_row(file, {"name": "a", "progress": {"step": 1}, "version": 99})
    with pytest.raises(CheckpointError, match=r"checkpoints.jsonl:1: not a checkpoint"):
        read_checkpoints(file)


def test_the_step_is_that_of_the_progress():
    assert evolve(record(3), final=True).step == 3
    assert json.loads(json.dumps(record(3).position)) == {"epoch": 0, "batch": 3}


def test_only_the_newest_are_kept_of_those_that_a_resume_needs(training, tmp_path):
    file = tmp_path / "checkpoints.jsonl"
    save(training, file, 10, sampler=True)  # somebody may sample from it
    for step in (20, 30, 40):
        save(training, file, step)
    gone = []

    async def delete(path):
        named = [record.state_path for record in read_checkpoints(file)]
        assert path not in named  # its record went first
        gone.append(path)

    asyncio.run(delete_old(file, 1, delete))
    assert [record.step for record in read_checkpoints(file)] == [10, 40]
    assert [path[-2:] for path in gone] == ["20", "30"]
    asyncio.run(delete_old(file, 1, delete))
    assert len(gone) == 2


def test_a_checkpoint_that_cannot_be_deleted_stops_nothing(training, tmp_path, caplog):
    file = tmp_path / "checkpoints.jsonl"
    save(training, file, 10)
    save(training, file, 20)

    async def delete(path):
        raise tinker.TinkerError("not allowed")

    asyncio.run(delete_old(file, 1, delete))
    assert "000010 could not be deleted: not allowed" in caplog.text
    assert [record.step for record in read_checkpoints(file)] == [20]
