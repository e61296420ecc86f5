"""Rollout metrics of a batch."""

from typing import Any

import numpy as np
import pytest

from tinker_core import ConfigError


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


@pytest.mark.parametrize("name", ["reward", "turns", "stop/completed", "groups/mixed"])
def test_a_metric_of_an_environment_cannot_replace_one_of_the_loop(
    bench: Any, arms: Any, name: str
) -> None:
    with pytest.raises(ConfigError, match=rf"environments .*'all'.* called '{name}'"):
        bench.run(bench.config(), [arms(metrics={name: 7.0})])


def test_a_count_of_episodes_cannot_replace_a_metric(bench: Any, arms: Any) -> None:
    partly = [arms(metrics={"a": 1.0, "a/episodes": 5.0}), arms()]
    with pytest.raises(ConfigError, match="called 'a/episodes'"):
        bench.run(bench.config(), partly, per_batch=2)


def test_a_tag_cannot_take_the_metrics_of_another(bench: Any, arms: Any) -> None:
    groups = [arms(tag="a", metrics={"b/reward": 1.0}), arms(tag="a/b")]
    with pytest.raises(ConfigError, match="called 'env/a/b/reward'"):
        bench.run(bench.config(), groups, per_batch=2)
