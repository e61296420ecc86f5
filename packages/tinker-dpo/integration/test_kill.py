"""A preference run that is killed with SIGKILL and resumed equals an uninterrupted one.

The engine is a real one. The reference is computed once, and never of the policy at the kill.
"""

import json
import subprocess
import sys
from pathlib import Path

from tinker_dpo.reference.logprobs import FILE_NAME, ReferenceFile
from tinker_train.testing import comparable_rows, kill_and_resume

PROGRAM = [sys.executable, "-m", "tinker_dpo.cli"]


def test_a_killed_preference_run_resumed_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    data = tmp_path / "pairs.jsonl"
    pairs = [
        {"prompt": f"What is {a}+{b}?", "chosen": f"{a + b}!", "rejected": f"{a + b}"}
        for a in range(5)
        for b in range(10)
    ]
    data.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    arguments = [
        *("--model", "local/tiny", "--data.path", str(data)),
        *("--data.test-rows", "10", "--batching.batch-size", "8"),
        *["--num-epochs", "3", "--checkpoints.every", "3", "--evaluation.every", "4"],
        *("--adam.learning-rate", "2e-3"),
    ]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run([*PROGRAM, "train", *arguments, "--run-dir", str(whole)], check=True)
    kill_and_resume(PROGRAM, arguments, killed, rows=6)
    assert comparable_rows(killed) == comparable_rows(whole)
    stored = [ReferenceFile(run_dir / FILE_NAME).read() for run_dir in (killed, whole)]
    assert stored[0] == stored[1]
    assert comparable_rows(killed)[-1]["train/margin"] > 0
