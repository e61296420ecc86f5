"""Runs that were stopped or killed, and resumed."""

from typing import Any

import numpy as np
import pytest

from tinker_core import EngineError
from tinker_rl import (
    Asynchronous,
)
from tinker_train import read_checkpoints


def test_an_asynchronous_run_resumes_without_losing_or_repeating_a_group(
    bench: Any, arms: Any, run_in_parts: Any, slow_group: Any
) -> None:
    groups = [arms(prompt=i, size=1, reached=slow_group(1)) for i in range(16)]
    config = bench.config(mode=Asynchronous(max_staleness=3))
    assert sorted(run_in_parts(config, groups, [2, 3])) == list(range(16))
    assert [row["step"] for row in bench.metrics(config)] == list(range(1, 9))


def test_interrupted_and_resumed_equals_uninterrupted(
    bench: Any, arms: Any, run_in_parts: Any
) -> None:
    groups = [arms(prompt=i % 5, pays=3, size=4) for i in range(20)]
    whole = bench.config(run_dir=bench.folder / "whole", num_epochs=2)
    bench.run(whole, groups, test=groups[:3])
    expected = bench.training.model.logits.copy()
    parts = bench.config(run_dir=bench.folder / "parts", num_epochs=2)
    run_in_parts(parts, groups, [3, 1, 7])
    without_test = [
        {name: value for name, value in row.items() if not name.startswith("test/")}
        for row in bench.metrics(whole)
    ]
    assert bench.metrics(parts) == [row for row in without_test if len(row) > 1]
    np.testing.assert_array_equal(bench.training.model.logits, expected)


def test_a_run_whose_last_steps_were_lost_tells_them_again(bench: Any, arms: Any) -> None:
    groups = [arms(prompt=i % 5, pays=3, size=4) for i in range(10)]
    whole = bench.config(run_dir=bench.folder / "whole")
    bench.run(whole, groups)
    killed = bench.config(run_dir=bench.folder / "killed")

    async def fails(sequences: Any, groups_P: Any) -> Any:
        if groups_P[0].sampler_step == 3:
            raise EngineError("killed")
        return sequences, {}

    with pytest.raises(EngineError, match="killed"):
        bench.run(killed, groups, transforms=[fails])
    assert [r.step for r in read_checkpoints(killed.run_dir / "checkpoints.jsonl")] == [2]
    bench.run(killed, groups)
    assert bench.metrics(killed) == bench.metrics(whole)


def test_a_run_that_is_complete_does_nothing_when_it_is_resumed(bench: Any, arms: Any) -> None:
    config = bench.config()
    bench.run(config, [arms()] * 4)
    result = bench.run(config, [arms()] * 4)
    assert (result.end, result.step) == ("complete", 2)
    assert bench.training.calls == []
