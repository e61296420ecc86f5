"""The test set and the evaluators during training."""

from typing import Any

import numpy as np
import pytest

from tinker_rl import (
    Evaluation,
)
from tinker_train import Every


def test_the_test_set_is_played_before_between_and_after(bench: Any, arms: Any) -> None:
    evaluation = Evaluation(every=Every(steps=2), temperature=0.0)
    config = bench.config(evaluation=evaluation)

    async def evaluator(sampler: Any) -> dict[str, float]:
        return {"mine": float(sampler.table[1, 3])}

    bench.run(config, [arms()] * 6, test=[arms(size=1)], evaluators=[evaluator])
    rows = {row["step"]: row for row in bench.metrics(config)}
    assert [step for step, row in rows.items() if "test/reward" in row] == [0, 2, 3]
    assert rows[3]["test/reward"] == rows[3]["test/env/all/reward"]
    assert rows[0]["eval/mine"] == pytest.approx(-np.log(16))
    assert rows[3]["eval/mine"] > rows[2]["eval/mine"] > rows[0]["eval/mine"]
