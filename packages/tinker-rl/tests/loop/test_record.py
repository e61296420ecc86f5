"""What is recorded of a batch."""

from typing import Any

import pytest

from tinker_rl import (
    Asynchronous,
    Evaluation,
    Streaming,
    Synchronous,
)
from tinker_train import Every
from tinker_train.metrics.distributions import read_distributions

MODES = [Synchronous(), Streaming(micro_batches=2), Asynchronous(max_staleness=2)]


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
