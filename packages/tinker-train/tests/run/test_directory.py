"""The folder of a run."""

import json
import subprocess

import cattrs
import pytest

from tinker_core import RunDirectoryError
from tinker_train import (
    Adam,
    CheckpointRecord,
    Progress,
    check_run_directory,
    create_run,
    open_run,
    read_description,
    read_metrics,
    rewind,
)
from tinker_train.config.serialization import from_plain
from tinker_train.files import append_row
from tinker_train.run.description import git_revision
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


def test_config_json_says_what_ran_and_gives_the_config_back(run):
    description = read_description(run.path)
    assert from_plain(description["config"]) == Adam(eps=0.5)
    assert description["seed"] == 3
    assert description["engine"] == "the double"
    assert {"tinker", "tinker-core", "tinker-train", "numpy"} <= description["versions"].keys()


def test_a_folder_with_a_run_is_refused_and_the_error_says_how_far_it_is(run):
    checkpoint(run, 40)
    with pytest.raises(RunDirectoryError, match=r"already holds a run \(step 40, not complete\)"):
        create_run(run.path, Adam(), engine="", seed=0)
    with pytest.raises(RunDirectoryError, match="already holds a run"):
        check_run_directory(run.path, Adam(eps=0.5), "refuse")


def test_a_folder_with_other_things_in_it_is_none_of_our_business(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    create_run(tmp_path, Adam(), engine="", seed=0)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_only_the_same_config_may_go_on_and_the_error_names_what_differs(run):
    check_run_directory(run.path, Adam(eps=0.5), "resume")
    with pytest.raises(RunDirectoryError, match=r"another config: eps: 0.5 != 0.25"):
        check_run_directory(run.path, Adam(eps=0.25), "resume")


def test_a_folder_without_a_run_and_a_damaged_one_are_errors(run, tmp_path):
    with pytest.raises(RunDirectoryError, match="holds no run"):
        read_description(tmp_path)
    run.config_file.write_text("{")
    with pytest.raises(RunDirectoryError, match="cannot be read"):
        read_description(run.path)
    run.config_file.write_text("[]")
    with pytest.raises(RunDirectoryError, match="not a run's config"):
        read_description(run.path)


def test_rewinding_takes_metrics_back_to_the_last_checkpoint(run):
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


def test_rewinding_removes_torn_lines_so_that_the_next_record_is_whole(run):
    append_row(run.metrics_file, {"step": 1})
    checkpoint(run, 1)
    for file in (run.metrics_file, run.checkpoints_file):
        with file.open("a") as torn:
            torn.write('{"st')
    assert rewind(run).step == 1
    checkpoint(run, 2)
    append_row(run.metrics_file, {"step": 2})
    assert steps(run) == [1, 2]


def test_opening_a_run_again_gives_its_last_checkpoint(tmp_path):
    path = tmp_path / "run"
    with open_run(path, Adam(), engine="", seed=0) as run:
        assert run.resumed is None
        run.sinks.log_metrics({"train/nll": 1.0}, 1)
        checkpoint(run.directory, 1)
    with open_run(path, Adam(), engine="", seed=0) as run:
        assert run.resumed.step == 1
    assert read_metrics(RunDirectory(path).metrics_file) == [{"step": 1, "train/nll": 1.0}]


def test_metrics_without_a_step_are_an_error_with_their_place(run):
    append_row(run.metrics_file, {"train/nll": 1.0})
    with pytest.raises(RunDirectoryError, match=r"metrics.jsonl:1: step"):
        read_metrics(run.metrics_file)


def test_the_git_revision_says_whether_there_are_changes(tmp_path):
    assert git_revision(tmp_path) is None

    def git(*arguments):
        who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-m", "first")
    revision = git_revision(tmp_path)
    assert len(revision) == 40
    (tmp_path / "a").write_text("2")
    assert git_revision(tmp_path) == revision + "+changes"
    json.dumps(revision)
