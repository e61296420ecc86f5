"""A run asks every item once, within its limits, and says what its result depends on."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve

from tinker_evals import (
    Model,
    Settings,
    Task,
)

Make = Callable[..., Model]


def test_every_problem_is_asked_once_and_graded(
    task: Task, scripted: Make, run, asked, right
) -> None:
    model = scripted(lambda text, n: right(text, n) if "2+" in text else "I think #### 1")
    result = run(task, model)
    assert sorted(asked(model)) == sorted(f"{a}+{b}" for a in range(5) for b in range(5))
    # all five sums with a 2 first are right; of the others 0+1 and 1+0 are 1
    assert result.summary.scores["strict"].value == pytest.approx(7 / 25)
    assert result.complete
    assert result.summary.counts["answered"] == 25


@pytest.mark.parametrize("concurrency", [1, 4])
def test_requests_are_out_together_up_to_the_bound(
    task: Task, scripted: Make, concurrency: int, run, right
) -> None:
    model = scripted(right)
    run(task, model, Settings(concurrency=concurrency))
    assert model.client.most_open == concurrency  # type: ignore[attr-defined]


def test_strict_and_lenient_stand_side_by_side(task: Task, scripted: Make, run, right) -> None:
    result = run(task, scripted(lambda text, n: right(text, n).replace("####", "It is")))
    assert result.summary.scores["strict"].value == 0
    assert result.summary.scores["lenient"].value == 1


def test_a_result_says_what_it_depends_on(
    task: Task, scripted: Make, tmp_path: Path, run, right
) -> None:
    task = evolve(task, instruction="End with a line `#### number`.")
    run(task, scripted(right, name="tinker://x"), folder=tmp_path / "run")
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    fingerprint = result["fingerprint"]
    assert fingerprint["model"] == "tinker://x"
    assert fingerprint["renderer"] == "chatml_plain"
    assert fingerprint["grader"] == "hashes 1"
    assert fingerprint["data"] == "file:sums.jsonl"
    assert fingerprint["sampling"]["max_tokens"] == 2048
    assert fingerprint["prompt"]["first"] == [
        {"role": "user", "content": "0+0=?\n\nEnd with a line `#### number`."}
    ]


def test_a_reply_is_kept_within_the_models_context(task: Task, scripted: Make, run, right) -> None:
    model = scripted(right)
    asked_one = [{"role": "user", "content": "0+0=?"}]
    prompt = model.renderer.build_generation_prompt(asked_one).length
    run(task, evolve(model, context_length=prompt + 20), Settings(limit=3))
    assert {params.max_tokens for params in model.client.params} == {20}  # type: ignore[attr-defined]
