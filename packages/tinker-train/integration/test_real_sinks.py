"""Metrics arrive at the real TensorBoard, W&B, Trackio and MLflow, all without a network."""

import json
import time
from struct import Struct

import pytest

from tinker_train import Adam, Reporting, open_run

BLOCK, HEADER, FULL, LAST = 32768, Struct("<IHB"), 1, 4
ROWS = {0: {"test/nll": 3.0}, 1: {"train/nll": 2.5}, 2: {"train/nll": 2.0, "test/nll": 2.25}}
LONGER = {**ROWS, 3: {"train/nll": 1.5}}
"""What a resume tells that has no checkpoint to go on from: everything again, and one step more."""


@pytest.fixture
def report(tmp_path, monkeypatch):
    """Write the rows into a run that reports to somewhere, as a loop does."""
    monkeypatch.chdir(tmp_path)

    def write(reporting, rows=ROWS):
        with open_run(tmp_path / "run", Adam(), engine="none", seed=0, reporting=reporting) as run:
            for step, metrics in rows.items():
                run.sinks.log_metrics(metrics, step)
        said = tmp_path / "run" / "logs.log"
        assert not said.exists() or "gets no more metrics" not in said.read_text()
        return tmp_path / "run"

    return write


def test_tensorboard_reads_what_was_written_and_nothing_twice_after_a_resume(report):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reporting = Reporting(tensorboard=True)
    run = report(reporting)
    report(reporting)  # no checkpoint: everything is taken back and told again
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    assert set(events.Tags()["tensors"]) == {"train/nll", "test/nll"}
    points = events.Tensors("test/nll")
    seen = [(point.step, point.tensor_proto.float_val[0]) for point in points]
    assert seen == [(0, 3.0), (2, 2.25)]


def wandb_records(log):
    """The records of an offline run's file: after 7 bytes, blocks as in a LevelDB log."""
    from wandb.proto.wandb_internal_pb2 import Record

    at, begun = 7, b""
    while at + HEADER.size <= len(log):
        if (left := BLOCK - at % BLOCK) < HEADER.size:
            at += left
            continue
        _, length, kind = HEADER.unpack_from(log, at)
        begun += log[at + HEADER.size : at + HEADER.size + length]
        at += HEADER.size + length
        if kind in (FULL, LAST):
            yield Record.FromString(begun)
            begun = b""


def offline_records(folder):
    """What the only offline run in the folder holds; W&B still writes when it says it is done."""
    (file,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    for _ in range(100):
        records = list(wandb_records(file.read_bytes()))
        if records and records[-1].HasField("exit"):
            return records
        time.sleep(0.1)
    raise AssertionError(f"{file} has no end")


def rows_of(records):
    """The rows of metrics among the records."""
    for record in records:
        if record.HasField("history"):
            items = [
                (item.key or item.nested_key[0], item.value_json) for item in record.history.item
            ]
            yield {key: json.loads(value) for key, value in items}


def test_weights_and_biases_keeps_a_run_offline_with_its_config_and_rows(report, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    run = report(Reporting(wandb="project"))
    records = offline_records(run)
    rows = list(rows_of(records))
    assert [row["_step"] for row in rows] == [0, 1, 2]
    assert [row.get("train/nll") for row in rows] == [None, 2.5, 2.0]
    (begun,) = [record.run for record in records if record.HasField("run")]
    assert begun.run_id == json.loads((run / "config.json").read_text())["run_id"]


def test_weights_and_biases_has_every_step_once_in_one_offline_file_after_a_resume(
    report, monkeypatch
):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    report(Reporting(wandb="project"))
    run = report(Reporting(wandb="project"), LONGER)
    rows = [(row["_step"], row.get("train/nll")) for row in rows_of(offline_records(run))]
    assert rows == [(0, None), (1, 2.5), (2, 2.0), (3, 1.5)]


def test_weights_and_biases_ignores_a_step_that_is_lower_than_its_last(tmp_path, monkeypatch):
    """Why `starting_step` is heeded: what lies below it would be lost with a warning for each."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    import wandb

    run = wandb.init(project="project", dir=str(tmp_path))
    for step in (0, 2, 1, 3):
        run.log({"seen": step}, step=step)
    run.finish()
    assert [row["seen"] for row in rows_of(offline_records(tmp_path))] == [0, 2, 3]


def test_trackio_has_every_step_once_after_a_resume(report, monkeypatch, tmp_path):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    reporting = Reporting(trackio="resumed")
    report(reporting)
    report(reporting, LONGER)
    from trackio.sqlite_storage import SQLiteStorage

    (name,) = SQLiteStorage.get_runs("resumed")
    rows = [(row["step"], row.get("train/nll")) for row in SQLiteStorage.get_logs("resumed", name)]
    assert rows == [(0, None), (1, 2.5), (2, 2.0), (3, 1.5)]


def test_mlflow_has_every_step_once_after_a_resume(report, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    reporting = Reporting(mlflow="experiment")
    report(reporting)
    run = report(reporting, LONGER)
    import mlflow

    client, run_id = mlflow.MlflowClient(), (run / "mlflow-run-id").read_text()
    history = {name: client.get_metric_history(run_id, name) for name in ("train/nll", "test/nll")}
    seen = {name: [(point.step, point.value) for point in found] for name, found in history.items()}
    assert seen["train/nll"] == [(1, 2.5), (2, 2.0), (3, 1.5)]
    assert seen["test/nll"] == [(0, 3.0), (2, 2.25)]


def test_trackio_goes_on_in_the_same_run_and_takes_no_other_for_it(report, monkeypatch, tmp_path):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # read when it is imported
    reporting = Reporting(trackio="project")
    run = report(reporting, {0: ROWS[0], 1: ROWS[1]})
    report(reporting, {2: ROWS[2]})
    run.rename(tmp_path / "another")
    report(reporting, {0: {"train/nll": 9.0}})
    from trackio.sqlite_storage import SQLiteStorage

    found = [SQLiteStorage.get_logs("project", name) for name in SQLiteStorage.get_runs("project")]
    seen = [[(row["step"], row.get("train/nll")) for row in rows] for rows in found]
    assert len(seen) == 2
    assert [(0, 9.0)] in seen
    assert [(0, None), (1, 2.5), (2, 2.0)] in seen


def test_mlflow_goes_on_in_the_same_run(report, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    reporting = Reporting(mlflow="experiment")
    report(reporting, {0: ROWS[0], 1: ROWS[1]})
    report(reporting, {2: ROWS[2]})
    import mlflow

    (found,) = mlflow.search_runs(experiment_names=["experiment"], output_format="list")
    history = mlflow.MlflowClient().get_metric_history(found.info.run_id, "train/nll")
    assert [(point.step, point.value) for point in history] == [(1, 2.5), (2, 2.0)]
    assert found.info.status == "FINISHED"
    assert found.data.params["learning_rate"] == "0.0001"
