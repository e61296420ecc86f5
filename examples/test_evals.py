"""The example of evaluation sees that a trained model is better, and that it is no luck.

The duel takes minutes on a model that can judge at all; here, that its data and its rule agree.
"""

import asyncio
import os
import random
import re
import runpy
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

from tinker_core import Comparison


def test_training_shows_in_the_comparison(tmp_path: Path) -> None:
    (found,) = entry_points(group="tinker.engines")
    with found.load()(home=tmp_path / "engine") as local:
        engine = {"TINKER_BASE_URL": local.base_url, "TINKER_API_KEY": local.api_key}
        done = subprocess.run(
            [sys.executable, str(Path(__file__).parent / "evals_custom.py"), "--out", "out"],
            cwd=tmp_path,
            env={**os.environ, **engine},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    difference, p_value = re.findall(r"difference (\S+) .* p = (\S+)", done.stdout)[0]
    assert float(difference) > 0.1
    assert float(p_value) < 0.05
    assert (tmp_path / "out" / "report.html").exists()


def test_the_judge_learns_verdicts_that_the_rule_gives() -> None:
    example = runpy.run_path(str(Path(__file__).with_name("evals_duel.py")))
    rng, rule, seen = random.Random(0), example["Rule"](), set()
    for _ in range(50):
        question, answer = example["judgement"](7, 15, rng)["messages"]
        replies = re.findall(r"reply:\n(.*)\n", question["content"])
        sides = [[{"role": "assistant", "content": reply}] for reply in replies]
        asked = [{"role": "user", "content": "What is 7+15?"}]
        comparison = Comparison(prompt=asked, first=sides[0], second=sides[1])
        verdict = {1.0: "first", 0.5: "tie", 0.0: "second"}[asyncio.run(rule.prefer(comparison))]
        assert answer["content"].endswith(f"Verdict: {verdict}")
        seen.add(verdict)
    assert len(seen) == 3
