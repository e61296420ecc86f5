"""Losses and gradients of ragged micro-batches against PEFT."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from peft_oracle import LENGTHS, close, peft_gradients, peft_logprobs, random_weights

from tinker_local.model import base as base_model
from tinker_local.training import forward_backward


@pytest.mark.parametrize("forward_only", [True, False])
def test_cross_entropy_is_the_weighted_sum_of_pefts_logprobs(
    trained, with_peft, datum, request_of, forward_only
):
    trainer = trained()
    model = with_peft(trainer, 4)
    data = [datum(n, n, weights=random_weights(n) * (np.arange(n) % 3 > 0)) for n in LENGTHS]
    result = trainer.loss(request_of(*data, forward_only=forward_only))
    expected = [peft_logprobs(model, d).detach().numpy() for d in data]
    for output, lp in zip(result.outputs, expected, strict=True):
        assert output["logprobs"].dtype == np.float32
        assert close(output["logprobs"], lp)
    loss = -sum((d.inputs["weights"] * lp).sum() for d, lp in zip(data, expected, strict=True))
    assert result.metrics == {"loss:sum": pytest.approx(loss, rel=1e-5)}


def test_gradients_are_pefts(trained, with_peft, datum, request_of, accumulated):
    trainer = trained()
    model = with_peft(trainer, 4)
    data = [datum(n, n, weights=random_weights(n) * (np.arange(n) % 3 > 0)) for n in LENGTHS]
    trainer.loss(request_of(*data))
    loss = -sum(
        (torch.from_numpy(d.inputs["weights"]) * peft_logprobs(model, d)).sum() for d in data
    )
    loss.backward()
    ours = accumulated(trainer)
    theirs = peft_gradients(model)
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert close(ours[name], theirs[name], 1e-4), name


def test_soft_targets_and_missing_weights(trained, with_peft, datum, request_of, accumulated):
    trainer = trained()
    model = with_peft(trainer, 4)
    targets = np.random.default_rng(5).integers(0, 260, (6, 3))
    soft = datum(6, target_tokens=targets, weights=random_weights(6, 3))
    bare = datum(4, 2)
    result = trainer.loss(request_of(soft, bare))
    lp_soft, lp_bare = peft_logprobs(model, soft), peft_logprobs(model, bare)
    assert close(result.outputs[0]["logprobs"], lp_soft.detach())
    assert result.outputs[0]["logprobs"].shape == (6, 3)
    assert result.outputs[1]["logprobs"].shape == (4,)
    (-(torch.from_numpy(soft.inputs["weights"]) * lp_soft).sum() - lp_bare.sum()).backward()
    ours = accumulated(trainer)
    assert all(close(ours[name], g, 1e-4) for name, g in peft_gradients(model).items())


def test_a_ragged_batch_is_its_datums_one_by_one(trained, datum, request_of, accumulated):
    data = [datum(n, n, weights=random_weights(n)) for n in LENGTHS]
    together, alone = trained(), trained()
    batch = together.loss(request_of(*data))
    singles = [alone.loss(request_of(d)) for d in data]
    for ours, single in zip(batch.outputs, singles, strict=True):
        assert close(ours["logprobs"], single.outputs[0]["logprobs"])
    assert batch.metrics["loss:sum"] == pytest.approx(
        sum(s.metrics["loss:sum"] for s in singles), rel=1e-5
    )
    ours, theirs = accumulated(together), accumulated(alone)
    assert all(close(ours[name], theirs[name], 1e-4) for name in ours)


@pytest.mark.parametrize(
    "setting",
    [
        (forward_backward, "MICRO_BATCH_TOKENS", 10),
        (forward_backward, "CHECKPOINTING_TOKENS", 2),
        (base_model, "CHUNK_FLOATS", 700),
    ],
)
def test_packing_activation_checkpointing_and_chunking_do_not_change_the_result(
    monkeypatch, trained, datum, request_of, accumulated, setting
):
    data = [datum(n, n, weights=random_weights(n)) for n in LENGTHS]
    usual, changed = trained(), trained()
    expected = usual.loss(request_of(*data))
    monkeypatch.setattr(*setting)
    result = changed.loss(request_of(*data))
    assert all(
        close(a["logprobs"], b["logprobs"])
        for a, b in zip(result.outputs, expected.outputs, strict=True)
    )
    ours, theirs = accumulated(changed), accumulated(usual)
    assert all(close(ours[name], theirs[name], 1e-4) for name in ours)
