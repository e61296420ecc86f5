"""A preference run that is killed with SIGKILL and resumed is the one never killed, engine and all.

Its reference too: it is asked once, and never of the policy as it was when the kill came.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

TRAIN = "from tinker_dpo.cli import main; main()"
SECONDS = {"time/step", "time/data", "time/loss", "tokens_per_second"}


def command(data: Path, run_dir: Path) -> list[str]:
    settings = "--num-epochs 3 --checkpoints.every 3 --evaluation.every 4 --adam.learning-rate 2e-3"
    where = ["--model", "local/tiny", "--data.path", str(data), "--run-dir", str(run_dir)]
    rows = ["--data.test-rows", "10", "--batching.batch-size", "8"]
    return [sys.executable, "-c", TRAIN, "train", *where, *rows, *settings.split(), "dpo"]


def metrics(run_dir: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    return [{key: row[key] for key in row.keys() - SECONDS} for row in rows]


def rows_so_far(run_dir: Path) -> int:
    file = run_dir / "metrics.jsonl"
    return len(file.read_text().splitlines()) if file.exists() else 0


def references(run_dir: Path) -> dict[str, float]:
    lines = (run_dir / "reference.jsonl").read_text().splitlines()
    return {key: value for line in lines for key, value in json.loads(line).items()}


def test_a_killed_preference_run_resumed_is_the_one_never_killed(tmp_path: Path) -> None:
    data = tmp_path / "pairs.jsonl"
    pairs = [
        {"prompt": f"What is {a}+{b}?", "chosen": f"{a + b}!", "rejected": f"{a + b}"}
        for a in range(5)
        for b in range(10)
    ]
    data.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    subprocess.run(command(data, tmp_path / "whole"), check=True)

    killed = tmp_path / "killed"
    run = subprocess.Popen(command(data, killed))
    while rows_so_far(killed) < 6 and run.poll() is None:
        time.sleep(0.01)
    os.kill(run.pid, signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    assert rows_so_far(killed) < len(metrics(tmp_path / "whole"))
    subprocess.run([sys.executable, "-c", TRAIN, "resume", str(killed)], check=True)
    assert metrics(killed) == metrics(tmp_path / "whole")
    assert references(killed) == references(tmp_path / "whole")
    assert metrics(killed)[-1]["train/margin"] > 0
