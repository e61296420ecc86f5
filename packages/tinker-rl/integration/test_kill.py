"""A run of reinforcement learning that is killed with SIGKILL and resumed, on the engine.

The synchronous loop gives the run that was never killed, to the last bit where one request is
sampled at a time: an engine that samples several together rounds by which those are. The
asynchronous one, whose batches depend on which groups finish first, trains on each group once.
"""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tinker_train.testing import comparable_rows, kill_and_resume

TINKER_RL = [sys.executable, "-c", "from tinker_rl.cli.main import main; main()"]
STEPS, GROUPS, ATTEMPTS = 6, 4, 3


@pytest.fixture
def sums(tmp_path: Path) -> Path:
    """As many different sums as the run has groups."""
    pairs = [(a, b) for a in range(10) for b in range(10)][: STEPS * GROUPS]
    rows = [{"question": f"What is {a}+{b}?", "answer": a + b} for a, b in pairs]
    path = tmp_path / "sums.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def arguments(data: Path, *mode: str) -> list[str]:
    settings = (
        f"--data.group-size {ATTEMPTS} --data.groups-per-batch {GROUPS} --transcripts {GROUPS} "
        "--sampling.max-tokens 4 --checkpoints.every 3 --adam.learning-rate 2e-3 "
        "--rollouts.max-concurrent-groups 1"
    )
    where = ["--env", "tinker_rl:ProblemFile", "--data.path", str(data)]
    return [*where, "--model", "local/tiny", *settings.split(), *mode]


def test_a_killed_synchronous_run_is_the_run_that_was_never_killed(
    sums: Path, tmp_path: Path
) -> None:
    where = ["--run-dir", str(tmp_path / "whole")]
    subprocess.run([*TINKER_RL, "train", *where, *arguments(sums)], check=True)
    kill_and_resume(TINKER_RL, arguments(sums), tmp_path / "killed", rows=4)
    assert len(comparable_rows(tmp_path / "whole")) == STEPS
    assert comparable_rows(tmp_path / "killed") == comparable_rows(tmp_path / "whole")


def test_a_killed_asynchronous_run_trains_on_each_group_once(sums: Path, tmp_path: Path) -> None:
    kill_and_resume(TINKER_RL, arguments(sums, "mode:asynchronous"), tmp_path / "run", rows=4)
    assert [row["step"] for row in comparable_rows(tmp_path / "run")] == list(range(1, STEPS + 1))
    trained = Counter(
        json.loads(line)["turns"][0]["prompt"]
        for file in (tmp_path / "run" / "transcripts").glob("train-*.jsonl")
        for line in file.read_text().splitlines()
    )
    assert len(trained) == STEPS * GROUPS
    assert set(trained.values()) == {ATTEMPTS}
