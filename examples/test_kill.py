"""A run that is killed with SIGKILL and resumed equals an uninterrupted one, on the engine."""

import runpy
import subprocess
import sys
from pathlib import Path

from tinker_train.testing import comparable_rows, kill_and_resume

PROGRAM = [sys.executable, "-m", "tinker_sl.cli"]


def test_a_killed_run_resumed_has_the_metrics_of_an_uninterrupted_one(tmp_path: Path) -> None:
    sums = runpy.run_path(str(Path(__file__).with_name("sums.py")))
    data, _ = sums["write_sums"](tmp_path)
    arguments = [
        *("--model", "local/tiny", "--data.path", str(data)),
        *("--data.test-rows", "20", "--data.batching.batch-size", "16"),
        *["--num-epochs", "3", "--checkpoints.every", "3", "--evaluation.every", "4"],
        *("--adam.learning-rate", "5e-3"),
    ]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run([*PROGRAM, "train", *arguments, "--run-dir", str(whole)], check=True)
    kill_and_resume(PROGRAM, arguments, killed, rows=6)
    assert comparable_rows(killed) == comparable_rows(whole)
