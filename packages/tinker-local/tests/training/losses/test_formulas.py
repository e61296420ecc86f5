"""The ratio losses against their formulas and hand-derived derivatives in numpy.

A gradient is checked through cross-entropy, which is checked against autograd elsewhere: the loss
with derivative d/dlp has the gradient of the cross-entropy with weights -d/dlp.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinker_local.request_types import Datum

Pair = tuple[np.ndarray, np.ndarray]
"""A loss of each token and its derivative by the token's logprob, both (N,)."""


def importance_sampling(lp: np.ndarray, q: np.ndarray, a: np.ndarray, **_: Any) -> Pair:
    ratio = np.exp(lp - q)
    return -ratio * a, -ratio * a


def clipped(ratio: np.ndarray, a: np.ndarray, low: float, high: float) -> Pair:
    # The unclipped branch is the smaller one unless the ratio left the interval on the side where
    # it helps: above for a > 0, below for a < 0.
    helped = ((a > 0) & (ratio > high)) | ((a < 0) & (ratio < low))
    bound = np.clip(ratio, low, high)
    return -np.where(helped, bound, ratio) * a, np.where(helped, 0.0, -ratio * a)


def ppo(lp: np.ndarray, q: np.ndarray, a: np.ndarray, low: float = 0.8, high: float = 1.2) -> Pair:
    return clipped(np.exp(lp - q), a, low, high)


def cispo(
    lp: np.ndarray, q: np.ndarray, a: np.ndarray, low: float = 0.0, high: float = 4.0
) -> Pair:
    factor = np.clip(np.exp(lp - q), low, high) * a
    return -factor * lp, -factor


def dro(lp: np.ndarray, q: np.ndarray, a: np.ndarray, beta: float = 0.05) -> Pair:
    sampled = (a != 0) | (q != 0)
    loss = -(lp * a - 0.5 * beta * (lp - q) ** 2)
    return np.where(sampled, loss, 0), np.where(sampled, -(a - beta * (lp - q)), 0)


def gspo(lp: np.ndarray, q: np.ndarray, a: np.ndarray, mask: np.ndarray) -> Pair:
    ratio = np.exp((lp - q)[mask != 0].mean())
    return clipped(np.full_like(lp, ratio), a, 0.8, 1.2)


CASES = [
    ("importance_sampling", importance_sampling, {}),
    ("ppo", ppo, {}),
    ("ppo", ppo, {"clip_low_threshold": 0.5, "clip_high_threshold": 3.0}),
    ("cispo", cispo, {}),
    ("cispo", cispo, {"clip_low_threshold": 0.9, "clip_high_threshold": 1.1}),
    ("dro", dro, {}),
    ("dro", dro, {"beta": 0.7}),
    ("gspo", gspo, {}),
]
SHORT = {"clip_low_threshold": "low", "clip_high_threshold": "high", "beta": "beta"}


@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients_are_those_of_the_formula(
    trained, datum, request_of, accumulated, case
):
    name, formula, config = case
    ours, linear = trained(), trained()
    rng = np.random.default_rng(3)
    data, weights, total = [], [], 0.0
    for length in (12, 5, 12):
        bare = datum(length, length + len(data))
        lp = linear.loss(request_of(bare, forward_only=True)).outputs[0]["logprobs"]
        a = np.where(np.arange(length) < 3, 0.0, rng.normal(size=length)).astype(np.float32)
        # Ratios from 0.3 to 3, on both sides of every threshold; prompt positions carry zeros.
        q = np.where(np.arange(length) < 2, 0.0, lp - rng.uniform(-1.2, 1.2, length))
        inputs = {"logprobs": q.astype(np.float32), "advantages": a}
        arguments = {SHORT[key]: value for key, value in config.items()}
        if name == "gspo":
            inputs["sequence_ratio_mask"] = (np.arange(length) > 2).astype(np.float32)
            arguments["mask"] = inputs["sequence_ratio_mask"]
        losses, derivatives = formula(lp, inputs["logprobs"], a, **arguments)
        total += losses.sum()
        weights.append(-derivatives.astype(np.float32))
        data.append(
            Datum(
                tokens=bare.tokens, inputs={**inputs, "target_tokens": bare.inputs["target_tokens"]}
            )
        )
    result = ours.loss(request_of(*data, loss_fn=name, **config))
    assert result.metrics["loss:sum"] == pytest.approx(total, rel=1e-4)
    linear.loss(
        request_of(
            *(
                Datum(
                    tokens=d.tokens,
                    inputs={"target_tokens": d.inputs["target_tokens"], "weights": w},
                )
                for d, w in zip(data, weights, strict=True)
            )
        )
    )
    evaluated = trained().loss(request_of(*data, loss_fn=name, forward_only=True, **config))
    assert evaluated.metrics["loss:sum"] == pytest.approx(total, rel=1e-4)
    mine, expected = accumulated(ours), accumulated(linear)
    for key in mine:
        np.testing.assert_allclose(mine[key], expected[key], rtol=1e-3, atol=2e-4)


def test_a_ratio_that_overflows_where_there_is_no_advantage_does_no_harm(
    trained, datum, request_of
):
    a = np.array([0, 0, 1.0])
    data = datum(3, logprobs=np.array([-1e4, 0, -3]), advantages=a)
    for loss in ("importance_sampling", "ppo", "cispo"):
        result = trained().loss(request_of(data, loss_fn=loss))
        assert np.isfinite(result.metrics["loss:sum"])


def test_gspo_ignores_a_datum_without_advantages_however_far_its_ratio(
    trained, datum, request_of, accumulated
):
    ones = np.ones(4)
    apart = datum(4, logprobs=-1e4 * ones, advantages=0 * ones, sequence_ratio_mask=ones)
    near = datum(5, logprobs=-3 * np.ones(5), advantages=np.ones(5), sequence_ratio_mask=np.ones(5))
    alone, both = trained(), trained()
    alone.loss(request_of(near, loss_fn="gspo"))
    both.loss(request_of(near, apart, loss_fn="gspo"))
    ours, theirs = accumulated(both), accumulated(alone)
    assert all(np.allclose(ours[name], theirs[name], atol=2e-4) for name in ours)
