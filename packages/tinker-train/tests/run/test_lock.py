"""One process at a time on a run."""

import os
import signal
import subprocess
import sys

import pytest

from tinker_core import RunDirectoryError
from tinker_train import Adam, check_run_directory, create_run, lock_run

HOLD = """
import sys, time
from pathlib import Path
from tinker_train.run.lock import lock_run
with lock_run(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_run_is_held_by_one_process_and_free_again_when_that_is_killed(tmp_path):
    create_run(tmp_path / "run", Adam(), engine="", seed=0)
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunDirectoryError, match="run is in use: another process"):
            check_run_directory(tmp_path / "run", Adam(), "resume")
        with pytest.raises(RunDirectoryError, match="in use"), lock_run(tmp_path / "run"):
            pass
        os.kill(holder.pid, signal.SIGKILL)
    check_run_directory(tmp_path / "run", Adam(), "resume")
    with lock_run(tmp_path / "run"):
        pass


def test_a_folder_that_got_no_run_is_not_there_afterwards(tmp_path):
    with lock_run(tmp_path / "run"):
        assert (tmp_path / "run").is_dir()
    assert not (tmp_path / "run").exists()


def test_a_folder_that_holds_something_else_is_left_as_it_was(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with lock_run(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
