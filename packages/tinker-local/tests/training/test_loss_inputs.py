"""Datums of a loss request: what is refused, and how they come back."""

from __future__ import annotations

import numpy as np
import pytest

from tinker_local.errors import RequestError
from tinker_local.request_types import Datum, LoraSpec
from tinker_local.training.trainer import Trainer

BAD = float("nan")


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({}, {"loss_fn": "stable_reinforce"}, "unknown loss 'stable_reinforce'"),
        ({}, {"loss_fn": "custom"}, "unknown loss 'custom'"),
        ({}, {"loss_fn": "sft"}, "unknown loss 'sft': expected one of cispo, cross_entropy"),
        ({}, {"beta": 1.0}, "'cross_entropy' has no config key 'beta'; its keys are: none"),
        ({}, {"loss_fn": "ppo"}, "datum 1: loss 'ppo' needs 'logprobs'"),
        (
            {},
            {"loss_fn": "ppo", "eps": 0.2},
            "'ppo' has no config key 'eps'; its keys are: clip_low",
        ),
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


def test_targets_of_different_widths_come_back_as_they_came(trained, datum, request_of):
    wide = datum(3, target_tokens=np.arange(15).reshape(3, 5))
    result = trained().loss(request_of(wide, datum(6)))
    assert [o["logprobs"].shape for o in result.outputs] == [(3, 5), (6,)]
