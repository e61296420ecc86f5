"""The run directory."""

import pytest

from tinker_core import RunDirectoryError
from tinker_train import (
    Adam,
    check_run_directory,
    create_run,
)


def test_a_folder_with_a_run_is_refused_and_the_error_says_how_far_it_is(run, checkpoint):
    checkpoint(run, 40)
    with pytest.raises(RunDirectoryError, match=r"already holds a run \(step 40, not complete\)"):
        create_run(run.path, Adam(), engine="", seed=0)
    with pytest.raises(RunDirectoryError, match="already holds a run"):
        check_run_directory(run.path, Adam(eps=0.5), "refuse")


def test_a_folder_with_other_things_in_it_is_none_of_our_business(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    create_run(tmp_path, Adam(), engine="", seed=0)
    assert (tmp_path / "notes.txt").read_text() == "mine"
