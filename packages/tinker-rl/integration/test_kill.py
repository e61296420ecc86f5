"""A run of reinforcement learning that is killed with SIGKILL and resumed, on the engine.

The synchronous loop gives the run that was never killed, to the last bit where one request is
sampled at a time: an engine that samples several together rounds by which those are. The
asynchronous one, whose batches depend on which groups finish first, trains on each group once.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

TRAIN = "from tinker_rl.cli.main import main; main()"
STEPS, GROUPS, ATTEMPTS = 6, 4, 3


@pytest.fixture
def sums(tmp_path: Path) -> Path:
    """As many different sums as the run has groups."""
    pairs = [(a, b) for a in range(10) for b in range(10)][: STEPS * GROUPS]
    rows = [{"question": f"What is {a}+{b}?", "answer": a + b} for a, b in pairs]
    path = tmp_path / "sums.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def command(data: Path, run_dir: Path, *mode: str) -> list[str]:
    settings = (
        f"--data.group-size {ATTEMPTS} --data.groups-per-batch {GROUPS} --transcripts {GROUPS} "
        "--sampling.max-tokens 4 --checkpoints.every 3 --adam.learning-rate 2e-3 "
        "--rollouts.max-concurrent-groups 1"
    )
    where = ["--env", "tinker_rl:ProblemFile", "--data.path", str(data), "--run-dir", str(run_dir)]
    what = ["--model", "local/tiny", *settings.split(), *mode]
    return [sys.executable, "-c", TRAIN, "train", *where, *what]


def kill_and_resume(data: Path, run_dir: Path, *mode: str) -> None:
    """Kill it once it has a checkpoint, and steps beyond that."""
    run = subprocess.Popen(command(data, run_dir, *mode))
    while len(metrics(run_dir)) < 4 and run.poll() is None:
        time.sleep(0.01)
    os.kill(run.pid, signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    assert len(metrics(run_dir)) < STEPS
    subprocess.run([sys.executable, "-c", TRAIN, "resume", str(run_dir)], check=True)


def metrics(run_dir: Path) -> list[dict[str, Any]]:
    """The rows so far, without what a clock says."""
    file = run_dir / "metrics.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    clocks = ("time/", "tokens_per_second")
    return [{k: v for k, v in row.items() if not k.startswith(clocks)} for row in rows]


def test_a_killed_synchronous_run_is_the_run_that_was_never_killed(
    sums: Path, tmp_path: Path
) -> None:
    subprocess.run(command(sums, tmp_path / "whole"), check=True)
    kill_and_resume(sums, tmp_path / "killed")
    assert len(metrics(tmp_path / "whole")) == STEPS
    assert metrics(tmp_path / "killed") == metrics(tmp_path / "whole")


def test_a_killed_asynchronous_run_trains_on_each_group_once(sums: Path, tmp_path: Path) -> None:
    kill_and_resume(sums, tmp_path / "run", "mode:asynchronous")
    assert [row["step"] for row in metrics(tmp_path / "run")] == list(range(1, STEPS + 1))
    trained = Counter(
        json.loads(line)["turns"][0]["prompt"]
        for file in (tmp_path / "run" / "transcripts").glob("train-*.jsonl")
        for line in file.read_text().splitlines()
    )
    assert len(trained) == STEPS * GROUPS
    assert set(trained.values()) == {ATTEMPTS}
