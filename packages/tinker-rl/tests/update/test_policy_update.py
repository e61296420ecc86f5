"""Groups become optimizer steps."""

from typing import Any

import numpy as np
import pytest

from tinker_rl import (
    Asynchronous,
    Ppo,
    Synchronous,
    UpdateConfig,
)


def test_substeps_divide_a_batch_into_optimizer_steps(mode: Any, bench: Any, arms: Any) -> None:
    update = UpdateConfig(num_substeps=2, loss=Ppo())
    config = bench.config(mode=mode, update=update)
    result = bench.run(config, [arms()] * 12, per_batch=4)
    assert result.step == 6
    assert bench.training.calls.count("optim_step") == 6
    assert [row["step"] for row in bench.metrics(config)] == [2, 4, 6]


@pytest.mark.parametrize("mode", [Synchronous(), Asynchronous()])
def test_every_substep_of_a_batch_has_a_gradient_and_its_metrics(
    mode: Any, bench: Any, arms: Any
) -> None:
    """Of four groups only the second has a difference; each substep gets a part of it."""
    config = bench.config(mode=mode, update=UpdateConfig(num_substeps=2, loss=Ppo()))
    groups = [arms(pays=99), arms(prompt=2, pays=3, size=32), arms(pays=99), arms(pays=99)]
    bench.run(config, groups, per_batch=4)
    (row,) = bench.metrics(config)
    norms = [row[f"optim/substep_{i}/grad_norm"] for i in (1, 2)]
    assert min(norms) > 0
    assert row["optim/grad_norm"] == pytest.approx(np.mean(norms))


def test_recomputed_logprobs_take_the_samplers_place(bench: Any, arms: Any) -> None:
    config = bench.config(update=UpdateConfig(recompute_logprobs=True))
    bench.run(config, [arms()] * 2)
    assert "forward" in bench.training.calls
    assert bench.metrics(config)[0]["kl_sampler_trainer/k1"] == pytest.approx(0.0, abs=1e-6)


def test_constant_groups_can_be_left_out(bench: Any, arms: Any) -> None:
    update = UpdateConfig(remove_constant_groups=True)
    config = bench.config(update=update)
    bench.run(config, [arms(pays=99, size=4), arms(pays=99, size=4)])
    (row,) = bench.metrics(config)
    assert row["batch/constant_groups"] == 2
    assert row["batch/sequences"] == 1  # something has to be there for the step to exist
