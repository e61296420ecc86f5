"""What is recorded of a batch."""

from typing import Any

from tinker_rl import (
    Evaluation,
)
from tinker_train import Every
from tinker_train.metrics.distributions import read_distributions


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
