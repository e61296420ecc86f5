"""Opening a run."""

import cattrs
import pytest

from tinker_train import (
    Adam,
    CheckpointRecord,
    Progress,
    create_run,
    open_run,
    read_metrics,
)
from tinker_train.files import append_row
from tinker_train.run.directory import RunDirectory


def checkpoint(run, step, **fields):
    record = CheckpointRecord(
        name=str(step), progress=Progress(step=step), state_path=f"tinker://x/weights/{step}"
    )
    append_row(run.checkpoints_file, {**cattrs.unstructure(record), **fields})


def steps(run):
    return [row["step"] for row in read_metrics(run.metrics_file)]


@pytest.fixture
def run(tmp_path):
    return create_run(tmp_path / "run", Adam(eps=0.5), engine="the double", seed=3)


def test_opening_a_run_again_gives_its_last_checkpoint(tmp_path):
    path = tmp_path / "run"
    with open_run(path, Adam(), engine="", seed=0) as run:
        assert run.resumed is None
        run.sinks.log_metrics({"train/nll": 1.0}, 1)
        checkpoint(run.directory, 1)
    with open_run(path, Adam(), engine="", seed=0) as run:
        assert run.resumed.step == 1
    assert read_metrics(RunDirectory(path).metrics_file) == [{"step": 1, "train/nll": 1.0}]
