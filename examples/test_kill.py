"""A run that is killed with SIGKILL and resumed is the run that was never killed, on the engine."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

TRAIN = "from tinker_sl.cli import main; main()"
SECONDS = {"time/step", "time/data", "tokens_per_second"}


def sum_row(a: int, b: int) -> dict[str, Any]:
    question = {"role": "user", "content": f"What is {a}+{b}?"}
    return {"messages": [question, {"role": "assistant", "content": str(a + b)}]}


def command(data: Path, run_dir: Path) -> list[str]:
    settings = "--num-epochs 3 --checkpoints.every 3 --evaluation.every 4 --adam.learning-rate 5e-3"
    where = ["--model", "local/tiny", "--data.path", str(data), "--run-dir", str(run_dir)]
    rows = ["--data.test-rows", "20", "--data.batching.batch-size", "16"]
    return [sys.executable, "-c", TRAIN, "train", *where, *rows, *settings.split()]


def metrics(run_dir: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    return [{key: row[key] for key in row.keys() - SECONDS} for row in rows]


def rows_so_far(run_dir: Path) -> int:
    file = run_dir / "metrics.jsonl"
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_a_killed_run_resumed_has_the_metrics_of_one_never_killed(tmp_path: Path) -> None:
    data = tmp_path / "sums.jsonl"
    data.write_text("".join(f"{json.dumps(sum_row(a, b))}\n" for a in range(10) for b in range(10)))
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
