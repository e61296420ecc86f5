"""Rewinding a run directory to its last checkpoint."""

from tinker_train import (
    read_metrics,
    rewind,
)
from tinker_train.files import append_row


def steps(run):
    return [row["step"] for row in read_metrics(run.metrics_file)]


def test_rewinding_takes_metrics_back_to_the_last_checkpoint(run, checkpoint):
    for step in range(6):
        append_row(run.metrics_file, {"step": step})
    checkpoint(run, 2)
    checkpoint(run, 4)
    assert rewind(run).step == 4
    assert steps(run) == [0, 1, 2, 3, 4]


def test_rewinding_without_a_checkpoint_begins_anew(run):
    append_row(run.metrics_file, {"step": 0})
    append_row(run.metrics_file, {"step": 1})
    assert rewind(run) is None
    assert steps(run) == []


def test_rewinding_removes_torn_lines_so_that_the_next_record_is_whole(run, checkpoint):
    append_row(run.metrics_file, {"step": 1})
    checkpoint(run, 1)
    for file in (run.metrics_file, run.checkpoints_file):
        with file.open("a") as torn:
            torn.write('{"st')
    assert rewind(run).step == 1
    checkpoint(run, 2)
    append_row(run.metrics_file, {"step": 2})
    assert steps(run) == [1, 2]
