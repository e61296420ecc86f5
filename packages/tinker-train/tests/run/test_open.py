"""Opening a run."""

from tinker_train import (
    Adam,
    open_run,
    read_metrics,
)
from tinker_train.run.directory import RunDirectory


def test_opening_a_run_again_gives_its_last_checkpoint(tmp_path, checkpoint):
    path = tmp_path / "run"
    with open_run(path, Adam(), engine="", seed=0) as run:
        assert run.resumed is None
        run.sinks.log_metrics({"train/nll": 1.0}, 1)
        checkpoint(run.directory, 1)
    with open_run(path, Adam(), engine="", seed=0) as run:
        assert run.resumed.step == 1
    assert read_metrics(RunDirectory(path).metrics_file) == [{"step": 1, "train/nll": 1.0}]
