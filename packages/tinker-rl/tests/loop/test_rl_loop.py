"""The loop in its three modes on a bandit and the bigram double."""

from typing import Any

import numpy as np
import pytest
from attrs import evolve

from tinker_core import DataError
from tinker_rl import (
    Advantage,
    AllEpisodesFailedError,
    Checkpoints,
    Cispo,
    Dro,
    Evaluation,
    Gspo,
    ImportanceSampling,
    Ppo,
    RolloutConfig,
    Sampling,
    UpdateConfig,
)
from tinker_train import Every, read_checkpoints

LOSSES = [ImportanceSampling(), Ppo(), Cispo(), Dro(), Gspo(clip_low=0.8, clip_high=1.2)]


def rewards(bench: Any, config: Any) -> list[float]:
    return [row["train/reward"] for row in bench.metrics(config) if "train/reward" in row]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_the_reward_of_a_bandit_rises_to_its_optimum(
    mode: Any, loss: Any, bench: Any, arms: Any
) -> None:
    config = bench.config(mode=mode, update=UpdateConfig(loss=loss))
    groups = [arms(prompt=1 + i % 2, pays=3 + i % 2, size=16) for i in range(60)]
    bench.run(config, groups)
    found = rewards(bench, config)
    assert len(found) == 30
    assert np.mean(found[:3]) < 0.3  # chance is 1/16
    assert np.mean(found[-3:]) > 0.95


@pytest.mark.parametrize("kind", ["centred", "scaled", "leave_one_out", "gae"])
def test_every_estimator_of_the_advantage_learns(kind: Any, bench: Any, arms: Any) -> None:
    config = bench.config(update=UpdateConfig(advantage=Advantage(kind=kind)))
    bench.run(config, [arms(size=16)] * 50)
    assert np.mean(rewards(bench, config)[-3:]) > 0.95


def test_early_stopping_waits_for_a_better_reward(bench: Any, arms: Any) -> None:
    evaluation = Evaluation(every=Every(steps=1), patience=2)
    config = bench.config(evaluation=evaluation)
    result = bench.run(config, [arms(pays=99)] * 20, test=[arms(size=1, pays=99)])
    assert (result.end, result.step) == ("complete", 2)


def test_checkpoints_are_named_after_the_steps_in_them(bench: Any, arms: Any) -> None:
    config = bench.config(checkpoints=Checkpoints(every=Every(steps=2)))
    result = bench.run(config, [arms()] * 10)
    records = read_checkpoints(config.run_dir / "checkpoints.jsonl")
    assert [(r.name, r.step, r.position, r.final) for r in records] == [
        ("000002", 2, {"batch": 2}, False),
        ("000004", 4, {"batch": 4}, False),
        ("000005", 5, {"batch": 5}, True),
    ]
    assert result.sampler_path == records[-1].sampler_path is not None
    calls = bench.training.calls
    assert calls[: calls.index("save_state 000002")].count("optim_step") == 2


def test_without_anything_to_train_on_the_run_ends_with_an_error(
    mode: Any, bench: Any, arms: Any
) -> None:
    with pytest.raises(DataError, match="no batch"):
        bench.run(bench.config(mode=mode), [])

    async def breaks(_: Any) -> None:
        raise OSError("sandbox down")

    config = bench.config(mode=mode, rollouts=RolloutConfig(on_failed_episode="drop"))
    with pytest.raises(AllEpisodesFailedError):
        bench.run(evolve(config, run_dir=bench.folder / "2"), [arms(reached=breaks)] * 2)


def test_max_steps_ends_a_run_early(bench: Any, arms: Any) -> None:
    config = bench.config(max_steps=2)
    assert bench.run(config, [arms()] * 10).step == 2


def test_a_run_whose_sampling_changes_the_probabilities_says_so(
    bench: Any, arms: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.run(bench.config(sampling=Sampling(max_tokens=1, top_p=0.5), max_steps=1), [arms()])
    assert "sampling with top_p=0.5: the losses use logprobs of temp" in capsys.readouterr().out
