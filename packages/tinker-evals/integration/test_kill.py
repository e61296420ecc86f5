"""An evaluation that is killed with SIGKILL goes on where it was, and asks nothing twice."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

RUN = "from tinker_evals.cli import main; main()"


def command(out: Path) -> list[str]:
    settings = "--model local/tiny --limit 60 --concurrency 2"
    return [sys.executable, "-c", RUN, "run", "sums", *settings.split(), "--out", str(out)]


def samples(out: Path) -> list[dict[str, Any]]:
    file = out / "sums" / "samples.jsonl"
    lines = file.read_text().split("\n")[:-1] if file.exists() else []
    return [json.loads(line) for line in lines]


def result(out: Path) -> dict[str, Any]:
    return json.loads((out / "sums" / "result.json").read_text())


def test_a_killed_evaluation_run_again_has_the_result_of_one_never_killed(tmp_path: Path) -> None:
    subprocess.run(command(tmp_path / "whole"), check=True)

    killed = tmp_path / "killed"
    run = subprocess.Popen(command(killed))
    while len(samples(killed)) < 10 and run.poll() is None:
        time.sleep(0.005)
    os.kill(run.pid, signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    before = samples(killed)
    assert 10 <= len(before) < 60
    subprocess.run(command(killed), check=True)
    after = samples(killed)
    assert after[: len(before)] == before  # what was answered is not asked again
    assert len({sample["item"] for sample in after}) == len(after) == 60
    by_item = {sample["item"]: sample for sample in samples(tmp_path / "whole")}
    assert {sample["item"]: sample for sample in after} == by_item
    assert result(killed)["summary"]["scores"] == result(tmp_path / "whole")["summary"]["scores"]
