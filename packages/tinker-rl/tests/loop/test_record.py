"""What is recorded of a batch."""

from typing import Any

import numpy as np
import pytest

from tinker_rl import (
    Asynchronous,
    Cispo,
    Dro,
    Evaluation,
    Gspo,
    ImportanceSampling,
    Ppo,
    Streaming,
    Synchronous,
)
from tinker_train import Every
from tinker_train.metrics.distributions import read_distributions

MODES = [Synchronous(), Streaming(micro_batches=2), Asynchronous(max_staleness=2)]
LOSSES = [ImportanceSampling(), Ppo(), Cispo(), Dro(), Gspo(clip_low=0.8, clip_high=1.2)]


def test_metrics_say_what_happened(bench: Any, arms: Any) -> None:
    config = bench.config()
    bench.run(config, [arms(prompt=1, pays=3, size=4), arms(prompt=2, pays=99, size=4)])
    (row,) = bench.metrics(config)
    assert row["env/all/episodes"] == 8
    assert row["env/arm2/groups/all_bad"] == 1.0
    assert [row[f"env/arm2/reward_p{p}"] for p in (10, 50, 90)] == [0.0, 0.0, 0.0]
    assert row["env/all/stop/completed"] == 1.0
    assert row["env/all/sampled_tokens"] == row["env/all/prompt_tokens"] == 1.0
    assert row["num_loss_tokens"] == row["num_tokens"] == row["batch/sequences"] == 8
    assert row["kl_sampler_trainer/k3"] == pytest.approx(0.0, abs=1e-9)
    assert row["entropy"] == pytest.approx(np.log(16), rel=1e-6)
    assert row["optim/grad_norm"] >= 0
    assert row["learning_rate"] == 0.3


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: type(mode).__name__)
def test_the_spread_of_each_steps_rewards_is_kept(mode: Any, bench: Any, arms: Any) -> None:
    config = bench.config(mode=mode, evaluation=Evaluation(every=Every(steps=2)))
    bench.run(config, [arms(size=4)] * 8, test=[arms(size=8)])
    kept = read_distributions(config.run_dir / "distributions.jsonl")
    for name, size in (("train/reward", 8), ("test/reward", 8)):
        means = {row["step"]: row[name] for row in bench.metrics(config) if name in row}
        assert kept[name].keys() == means.keys()
        for step, counts in kept[name].items():
            assert sum(counts.values()) == size
            assert sum(value * count for value, count in counts.items()) / size == means[step]
