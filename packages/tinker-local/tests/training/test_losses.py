"""The ratio losses against their formulas and hand-derived derivatives in numpy; refused requests.

A gradient is checked through cross-entropy, which is checked against autograd elsewhere: the loss
with derivative d/dlp has the gradient of the cross-entropy with weights -d/dlp.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinker_local.errors import RequestError
from tinker_local.request_types import Datum, LoraSpec
from tinker_local.training.trainer import Trainer

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


BAD = float("nan")


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({}, {"loss_fn": "stable_reinforce"}, "'stable_reinforce' is not served"),
        ({}, {"loss_fn": "custom"}, "'custom' is not served"),
        ({}, {"loss_fn": "sft"}, "'sft' is not served here; there are cross_entropy, import"),
        ({}, {"beta": 1.0}, "'cross_entropy' has no config key 'beta'; it takes none"),
        ({}, {"loss_fn": "ppo"}, "datum 1: loss 'ppo' needs 'logprobs'"),
        ({}, {"loss_fn": "ppo", "eps": 0.2}, "'ppo' has no config key 'eps'; it takes clip_low"),
        ({}, {"loss_fn": "dro", "beta": "high"}, "'beta' must be a number, not 'high'"),
        ({}, {"loss_fn": "ppo", "clip_low_threshold": 2.0}, "2.0 > clip_high_threshold 1.2"),
        ({"advantages": np.ones(4)}, {}, "datum 1: loss 'cross_entropy' has no input 'advantages'"),
        ({"weights": np.ones(3)}, {}, r"datum 1: weights has shape \(3,\), target_tokens \(4,\)"),
        ({"weights": np.array([1, 1, BAD, 1])}, {}, r"datum 1: weights: nan at \[2\]"),
        ({"weights": np.array([b"x"] * 4)}, {}, "datum 1: weights must hold numbers"),
        ({"weights": np.array([1, 1e300, 1, 1])}, {}, r"weights: 1e\+300 at \[1\] is not a finite"),
        ({"target_tokens": np.ones(4)}, {}, "datum 1: target_tokens must hold integers"),
        ({"target_tokens": np.array([1, 2, 260, 3])}, {}, r"token 260 at \[2\] is outside .* 260"),
        ({"target_tokens": np.array([1, -100, 2, 3])}, {}, r"token -100 at \[1\]"),
        ({"target_tokens": np.ones(5, int)}, {}, r"target_tokens has shape \(5,\).*\(4,\) or"),
        ({"target_tokens": np.ones((4, 0), int)}, {}, r"target_tokens has shape \(4, 0\)"),
        ({"target_tokens": np.ones((4, 2), int)}, {"loss_fn": "ppo"}, "needs"),
        ({"tokens": np.array([1, 2, 3, 260])}, {}, r"datum 1: model_input: token 260 at \[3\]"),
        ({"tokens": np.zeros(0, int)}, {}, "datum 1: model_input is empty"),
        ({"tokens": np.zeros(97, int)}, {}, "datum 1: 97 tokens .* context length 96"),
    ],
)
def test_a_wrong_request_is_refused_by_datum_field_and_value(
    trained, datum, request_of, changes, options, message
):
    loss_fn = options.get("loss_fn", "cross_entropy")
    inputs = {"target_tokens": np.arange(4)}
    fine = datum(4)
    if loss_fn == "ppo" and "target_tokens" in changes:
        inputs |= {"logprobs": np.zeros(4), "advantages": np.zeros(4)}
    if loss_fn == "ppo":
        fine = datum(4, logprobs=np.zeros(4), advantages=np.zeros(4))
    inputs |= changes
    tokens = inputs.pop("tokens", np.arange(4))
    with pytest.raises(RequestError, match=message) as caught:
        trained().loss(request_of(fine, Datum(tokens=tokens, inputs=inputs), **options))
    assert caught.value.category == "user"


def test_data_must_not_be_empty(base, request_of):
    with pytest.raises(RequestError, match="data is empty"):
        Trainer(base, LoraSpec(rank=1)).loss(request_of())


def test_gspo_needs_a_token_to_take_the_mean_over(trained, datum, request_of):
    zeros = np.zeros(4)
    data = datum(4, logprobs=zeros, advantages=zeros, sequence_ratio_mask=zeros)
    with pytest.raises(RequestError, match="datum 0: sequence_ratio_mask is zero everywhere"):
        trained().loss(request_of(data, loss_fn="gspo"))


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


def test_targets_of_different_widths_come_back_as_they_came(trained, datum, request_of):
    wide = datum(3, target_tokens=np.arange(15).reshape(3, 5))
    result = trained().loss(request_of(wide, datum(6)))
    assert [o["logprobs"].shape for o in result.outputs] == [(3, 5), (6,)]
