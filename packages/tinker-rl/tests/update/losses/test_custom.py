"""A loss in numpy trains as the engine's own loss does."""

from typing import Any

import numpy as np
import pytest
from attrs import frozen

from tinker_rl import CustomLoss, Gspo, ImportanceSampling, Ppo, UpdateConfig
from tinker_train import Adam


@frozen(kw_only=True)
class NumpyPpo(CustomLoss):
    """PPO, written out."""

    def slopes(self, p_S: Any, q_S: Any, advantages_S: Any) -> Any:
        r_S = np.exp(p_S - q_S)
        is_clipped = np.where(advantages_S > 0, r_S > 1.2, r_S < 0.8)
        return np.where(is_clipped, 0.0, -r_S * advantages_S)


@frozen(kw_only=True)
class NumpyGspo(CustomLoss):
    """GSPO without a clip that is ever reached: every token's slope depends on all tokens."""

    def slopes(self, p_S: Any, q_S: Any, advantages_S: Any) -> Any:
        s = np.exp((p_S - q_S).mean())
        return np.full(len(p_S), -s * advantages_S.mean())


PAIRS = [
    (NumpyPpo(), Ppo()),
    (NumpyPpo(normalise="sequence"), Ppo(normalise="sequence")),
    (NumpyGspo(), Gspo(clip_low=0.0, clip_high=100.0)),
]


@pytest.mark.parametrize(("custom", "engines"), PAIRS)
def test_a_loss_in_numpy_has_the_gradient_of_the_engines(
    custom: Any, engines: Any, bench: Any, arms: Any
) -> None:
    logits = []
    for name, loss in (("custom", custom), ("engine", engines)):
        update = UpdateConfig(loss=loss, num_substeps=2)  # so that the ratio is not 1
        # without a large epsilon Adam would amplify gradients that are zero up to rounding
        adam = Adam(learning_rate=0.3, eps=1e-3)
        config = bench.config(run_dir=bench.folder / name, update=update, adam=adam)
        bench.run(config, [arms(prompt=i % 3, pays=3) for i in range(12)], per_batch=4)
        logits.append(bench.training.model.logits.copy())
    assert np.abs(logits[0]).max() > 0.1
    np.testing.assert_allclose(logits[0], logits[1], atol=1e-5)


def test_its_logprobs_can_be_recomputed_too(bench: Any, arms: Any) -> None:
    metrics = []
    for name, loss in (("custom", NumpyPpo()), ("engine", ImportanceSampling())):
        update = UpdateConfig(loss=loss, recompute_logprobs=True)
        config = bench.config(run_dir=bench.folder / name, update=update)
        bench.run(config, [arms()] * 4)
        metrics.append(bench.metrics(config)[-1]["optim/grad_norm"])
    assert metrics[0] == pytest.approx(metrics[1], rel=1e-5)
