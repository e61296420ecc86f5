"""The quickstart runs from end to end; on the test model, which is too small to learn the task."""

import json
import subprocess
import sys
from pathlib import Path


def test_it_asks_trains_asks_again_and_says_what_to_do_next(tmp_path: Path) -> None:
    script = Path(__file__).with_name("quickstart.py")
    run_dir = tmp_path / "run"
    command = [sys.executable, str(script), "--model", "local/tiny", "--steps", "3"]
    said = subprocess.check_output([*command, "--run-dir", str(run_dir)], text=True)
    rows = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    measured = [row["test/nll"] for row in rows if "test/nll" in row]
    assert measured[-1] < measured[0]
    assert f"held-out NLL per token: {measured[0]:.3f} before, {measured[-1]:.3f} after" in said
    assert f"tinker-sl sample {run_dir}" in said
