"""A run directory and its checkpoints."""

import cattrs
import pytest

from tinker_train import Adam, CheckpointRecord, Progress, create_run
from tinker_train.files import append_row


@pytest.fixture
def run(tmp_path):
    """A run directory without a step."""
    return create_run(tmp_path / "run", Adam(eps=0.5), engine="the double", seed=3)


@pytest.fixture
def checkpoint():
    """Records a checkpoint of a step."""

    def append(run, step, **fields):
        record = CheckpointRecord(
            name=str(step), progress=Progress(step=step), state_path=f"tinker://x/weights/{step}"
        )
        append_row(run.checkpoints_file, {**cattrs.unstructure(record), **fields})

    return append
