"""The bound on staleness holds, and no group is lost or repeated."""

from typing import Any

import pytest

from tinker_rl import (
    Asynchronous,
    RolloutConfig,
)


@pytest.mark.parametrize("staleness", [0, 1, 3])
@pytest.mark.parametrize("seed", range(4))
def test_no_group_is_older_than_the_bound_and_each_is_trained_on_once(
    staleness: int, seed: int, bench: Any, arms: Any, stop_after: Any, slow_group: Any
) -> None:
    trained = stop_after(1000)
    slow = slow_group(seed)
    rollouts = RolloutConfig(max_concurrent_groups=2 + seed)
    config = bench.config(mode=Asynchronous(max_staleness=staleness), rollouts=rollouts)
    groups = [arms(prompt=i, size=1, reached=slow) for i in range(15)]
    bench.run(config, groups, per_batch=3, transforms=[trained])
    ages = [row["staleness/max"] for row in bench.metrics(config)]
    assert len(ages) == 5
    assert max(ages) <= staleness
    assert sorted(trained.trained) == list(range(15))
    assert slow.paid == dict.fromkeys(range(15), 1)


def test_staleness_is_used_where_it_is_allowed(bench: Any, arms: Any) -> None:
    config = bench.config(mode=Asynchronous(max_staleness=2))
    bench.run(config, [arms(prompt=i % 4) for i in range(20)])
    assert max(row["staleness/max"] for row in bench.metrics(config)) > 0
