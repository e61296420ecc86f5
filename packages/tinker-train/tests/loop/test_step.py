"""One optimizer step, on a bigram model whose numbers can be worked out."""

import asyncio
import math

import numpy as np
import pytest
import tinker

from tinker_core import EngineError, datum_from_model_input_weights
from tinker_core.testing import BigramService
from tinker_train import Adam, Nll, adam_params, finish_step, submit_step, weighted_nll


@pytest.fixture
def training(tmp_path):
    service = BigramService(tmp_path, vocab_size=8)
    return service.create_lora_training_client("double").result()


def datum(tokens, weights):
    return datum_from_model_input_weights(tinker.ModelInput.from_ints(tokens), weights)


def test_nll_is_nats_per_token_that_the_loss_counts(training):
    datums = [datum([1, 2, 3, 4], [0, 0, 1, 1]), datum([1, 2], [0, 1])]
    step = submit_step(training, datums, adam_params(Adam()))
    result = asyncio.run(finish_step(step, number=1))
    nll = weighted_nll(datums, result.outputs)
    assert nll.weight == 3
    assert nll.per_token == pytest.approx(math.log(8))  # all eight tokens are equally likely


def test_a_token_with_twice_the_weight_counts_twice():
    nll = Nll(total=3.0, weight=2.0) + Nll(total=1.0, weight=2.0)
    assert nll.per_token == 1.0
    assert math.isnan(Nll(total=0.0, weight=0.0).per_token)


def test_both_calls_are_submitted_before_anything_is_awaited(training):
    submit_step(training, [datum([1, 2], [0, 1])], adam_params(Adam()))
    submit_step(training, [datum([1, 2], [0, 1])], adam_params(Adam()))
    assert training.calls == ["forward_backward", "optim_step"] * 2


def test_a_step_makes_the_targets_likelier(training):
    datums = [datum([1, 2], [0, 1])]

    async def nll_before_and_after():
        for number in range(2):
            step = submit_step(training, datums, adam_params(Adam(learning_rate=0.5)))
            yield weighted_nll(datums, (await finish_step(step, number=number)).outputs).per_token

    async def collect():
        return [nll async for nll in nll_before_and_after()]

    before, after = asyncio.run(collect())
    # Adam's first step moves each logit by the learning rate: +0.5 for the target, -0.5 for others
    assert after == pytest.approx(math.log(1 + 7 * math.exp(-1.0)))
    assert before == pytest.approx(math.log(8))


def test_a_failed_step_says_its_number_and_the_call(training):
    step = submit_step(
        training, [datum([1, 2], [0, 1])], adam_params(Adam()), loss_fn="stable_reinforce"
    )
    with pytest.raises(EngineError, match=r"forward_backward of step 7: .*stable_reinforce"):
        asyncio.run(finish_step(step, number=7))


def test_every_setting_of_adam_reaches_the_engine():
    adam = Adam(
        learning_rate=0.1, betas=(0.5, 0.6), eps=1e-3, weight_decay=0.01, grad_clip_norm=2.0
    )
    assert adam_params(adam, 0.5) == tinker.AdamParams(
        learning_rate=0.05, beta1=0.5, beta2=0.6, eps=1e-3, weight_decay=0.01, grad_clip_norm=2.0
    )


@pytest.mark.parametrize("betas", [(0.9,), (1.0, 0.9), (-0.1, 0.9)])
def test_betas_outside_their_range_are_refused(betas):
    with pytest.raises(ValueError, match="betas"):
        Adam(betas=betas)


def test_weights_and_logprobs_of_different_lengths_are_an_error(training):
    long, short = datum([1, 2, 3], [0, 1, 1]), datum([1, 2], [0, 1])
    outputs = training.forward([long], "cross_entropy").result()
    with pytest.raises(ValueError, match=r"weights have shape \(1,\), logprobs \(2,\)"):
        weighted_nll([short], outputs)
    assert np.isfinite(weighted_nll([long], outputs).total)
