"""Records of checkpoints."""

import json

import pytest
from attrs import evolve

from tinker_core import CheckpointError
from tinker_train import (
    last_checkpoint,
    read_checkpoints,
)
from tinker_train.files import append_row


def test_a_record_comes_back_from_the_file_as_it_was_written(tmp_path, save):
    file = tmp_path / "checkpoints.jsonl"
    first = save(file, 10)
    second = save(file, 20, sampler=True)
    assert read_checkpoints(file) == [first, second]
    assert last_checkpoint(file) == second
    assert second.state_path.endswith("/weights/000020")
    assert second.sampler_path.endswith("/sampler_weights/000020")
    assert first.sampler_path is None


def test_a_resume_takes_the_last_record_that_is_whole_and_has_a_state(tmp_path, save):
    file = tmp_path / "checkpoints.jsonl"
    good = save(file, 10)
    save(file, 20, state=False, sampler=True)
    with file.open("a") as torn:
        torn.write('{"name": "000030", "progr')
    assert last_checkpoint(file) == good
    assert last_checkpoint(tmp_path / "none.jsonl") is None


def test_a_file_of_version_1_can_be_read(tmp_path):
    file = tmp_path / "checkpoints.jsonl"
    append_row(file, {"name": "a", "progress": {"step": 7}, "state_path": "b", "version": 1})
    [found] = read_checkpoints(file)
    assert (found.name, found.step, found.state_path) == ("a", 7, "b")


def test_a_record_of_another_version_is_an_error_and_not_misread(tmp_path):
    file = tmp_path / "checkpoints.jsonl"
    append_row(file, {"name": "a", "progress": {"step": 1}, "version": 99})
    with pytest.raises(CheckpointError, match=r"checkpoints.jsonl:1: not a checkpoint"):
        read_checkpoints(file)


def test_the_step_is_that_of_the_progress(record):
    assert evolve(record(3), final=True).step == 3
    assert json.loads(json.dumps(record(3).position)) == {"epoch": 0, "batch": 3}
