"""Run directories with metrics."""

import pytest

from tinker_train import create_run
from tinker_train.files import append_row


@pytest.fixture
def make_run(tmp_path):
    def make(name, adam, losses, **metrics):
        run = create_run(tmp_path / "runs" / name, adam, engine="the double", seed=1)
        for step, loss in enumerate(losses):
            append_row(run.metrics_file, {"step": step, "train/nll": loss, **metrics})
        return run

    return make
