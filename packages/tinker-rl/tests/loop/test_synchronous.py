"""Synchronous sampling: all groups of a batch, with the newest weights."""

from typing import Any

from tinker_rl import RolloutConfig


def test_every_group_is_sampled_with_the_newest_weights_in_the_order_of_the_data(
    bench: Any, arms: Any, stop_after: Any
) -> None:
    trained = stop_after(1000)
    config = bench.config(rollouts=RolloutConfig(max_concurrent_groups=2))
    bench.run(config, [arms(prompt=i) for i in range(12)], per_batch=4, transforms=[trained])
    assert trained.trained == list(range(12))
    assert [row["staleness/max"] for row in bench.metrics(config)] == [0, 0, 0]
