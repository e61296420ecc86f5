"""The rule and its data by hand; the pipeline's stages, each begun where the last one ended."""

from __future__ import annotations

import json
import random
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
TASKS = runpy.run_path(str(HERE / "tasks.py"))


@pytest.mark.parametrize("answer", ["7", "It is 7", "It is I7.", "It is 7. ", "it is 7.", ""])
def test_only_a_full_sentence_is_liked(answer: str) -> None:
    assert TASKS["likes"]("It is 7.") == 1.0
    assert TASKS["likes"](answer) == 0.0


def test_the_rule_likes_what_is_chosen_and_nothing_that_is_rejected() -> None:
    train, test = TASKS["questions"](0)
    assert not {q.text for q in train} & {q.text for q in test}
    for row in TASKS["pairs"](train, 0):
        assert (TASKS["likes"](row["chosen"]), TASKS["likes"](row["rejected"])) == (1.0, 0.0)


def test_a_spoilt_sentence_is_never_liked() -> None:
    source = random.Random(0)
    for _ in range(300):
        assert TASKS["likes"](TASKS["spoilt"]("It is 12.", source)) == 0.0


def test_each_stage_begins_with_the_one_before_and_a_second_call_trains_nothing(
    tmp_path: Path,
) -> None:
    def call() -> str:
        steps = ["--sft-steps", "2", "--reward-steps", "2", "--rl-steps", "1"]
        command = [sys.executable, str(HERE / "rlhf.py"), "--folder", str(tmp_path), *steps]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.partition("held-out questions")[2]

    def config(stage: str) -> dict[str, Any]:
        return json.loads((tmp_path / stage / "config.json").read_text())["config"]

    def saved(stage: str) -> list[dict[str, Any]]:
        lines = (tmp_path / stage / "checkpoints.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    first = call()
    assert "RL wins over SFT, by people's rule" in first
    sft = saved("1-sft")[-1]
    assert config("2-reward-model")["start_from"] == sft["state_path"]
    assert config("3-rl")["start_from"] == sft["state_path"]
    reward_model = saved("2-reward-model")[-1]["sampler_path"]
    assert config("3-rl")["data"]["reward_model"] == reward_model
    before = {stage: saved(stage) for stage in ("1-sft", "2-reward-model", "3-rl")}
    assert call() == first
    assert {stage: saved(stage) for stage in before} == before
