"""Sampler weights are saved at most once a step boundary."""

from typing import Any

from tinker_rl import (
    Evaluation,
)
from tinker_train import Every


def test_sampler_weights_are_saved_once_a_batch(mode: Any, bench: Any, arms: Any) -> None:
    bench.run(bench.config(mode=mode), [arms()] * 10, per_batch=2)
    assert bench.training.calls.count("save_weights_and_get_sampling_client") == 5


def test_an_evaluation_shares_the_sampler_weights_of_the_next_batch(bench: Any, arms: Any) -> None:
    config = bench.config(evaluation=Evaluation(every=Every(steps=1)))
    bench.run(config, [arms()] * 10, test=[arms(size=1)], per_batch=2)
    assert bench.training.calls.count("save_weights_and_get_sampling_client") == 6  # and the last
