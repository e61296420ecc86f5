"""Do the supervised examples run, in seconds, and does the model learn what it is shown?"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """One engine for several examples, as variables of the environment: to start one takes time."""
    (found,) = entry_points(group="tinker.engines")
    with found.load()(home=tmp_path_factory.mktemp("engine")) as local:
        yield {"TINKER_BASE_URL": local.base_url, "TINKER_API_KEY": local.api_key}


def run(example: str, *arguments: object, engine: dict[str, str] | None = None) -> str:
    """Run an example as a person does, on its own engine or this one; what it says."""
    command = [sys.executable, str(HERE / example), *map(str, arguments)]
    env = {**os.environ, **(engine or {})}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rows(run_dir: Path) -> list[dict[str, Any]]:
    """The metrics of a run."""
    return [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]


def test_basic_learns_sums_that_it_was_not_shown(tmp_path: Path) -> None:
    run("sl_basic.py", "--run-dir", tmp_path / "run")
    held_out = [row["test/nll"] for row in rows(tmp_path / "run") if "test/nll" in row]
    assert held_out[-1] < 0.9 * held_out[0]
    assert (tmp_path / "run" / "report.html").exists()


def test_the_loop_by_hand_goes_on_where_it_stopped(tmp_path: Path, engine: dict[str, str]) -> None:
    run("sl_loop.py", "--folder", tmp_path / "whole", engine=engine)
    run("sl_loop.py", "--folder", tmp_path / "parts", "--stop-after", "25", engine=engine)
    run("sl_loop.py", "--folder", tmp_path / "parts", engine=engine)
    whole = rows(tmp_path / "whole")
    assert rows(tmp_path / "parts") == whole
    losses = [row["train/nll"] for row in whole]
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])  # five batches are an epoch


def test_data_of_ones_own_making_is_learned(tmp_path: Path, engine: dict[str, str]) -> None:
    said = run("sl_custom_data.py", "--run-dir", tmp_path / "run", engine=engine)
    assert re.search(r"What is 3\+4\? \d+!", said)


def test_a_sweep_finds_that_a_tiny_rate_is_too_small(
    tmp_path: Path, engine: dict[str, str]
) -> None:
    options = ("--rates", "1e-6", "4e-3", "--steps", "20", "--folder", tmp_path)
    said = run("sweep/sweep.py", *options, engine=engine)
    assert re.search(r"0\.004 .*<- best", said)
    assert "<svg" in (tmp_path / "sweep.svg").read_text()
    assert "lr-0.004" in (tmp_path / "report.html").read_text()
