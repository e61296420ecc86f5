"""The config.json of a run."""

import json
import subprocess

import pytest

from tinker_core import RunDirectoryError
from tinker_train import (
    Adam,
    check_run_directory,
    read_description,
)
from tinker_train.config.serialization import from_plain
from tinker_train.run.description import git_revision


def test_config_json_says_what_ran_and_gives_the_config_back(run):
    description = read_description(run.path)
    assert from_plain(description["config"]) == Adam(eps=0.5)
    assert description["seed"] == 3
    assert description["engine"] == "the double"
    assert {"tinker", "tinker-core", "tinker-train", "numpy"} <= description["versions"].keys()


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
