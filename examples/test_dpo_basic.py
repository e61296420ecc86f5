"""Does preference learning, in seconds, prefer on held-out questions what it was shown?"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).with_name("dpo_basic.py")


def test_held_out_accuracy_rises_and_the_answers_follow(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLE), "--run-dir", str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    accuracy = [json.loads(line).get("test/accuracy") for line in lines]
    assert accuracy[0] == 0.5  # policy and reference are the same model
    assert accuracy[-1] > 0.9
    cheerful = re.search(r"answered cheerfully\s+(\d+)%\s+(\d+)%", done.stdout)
    assert cheerful is not None
    before, after = map(int, cheerful.groups())
    assert after > before + 50
