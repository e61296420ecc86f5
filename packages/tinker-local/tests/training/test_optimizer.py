"""Optimizer steps against torch.optim.AdamW on PEFT."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from peft_oracle import LENGTHS, close, peft_logprobs

from tinker_local.errors import RequestError
from tinker_local.request_types import AdamParams


def test_a_few_steps_are_those_of_torch_adamw_on_peft(trained, with_peft, datum, request_of):
    trainer = trained()
    model = with_peft(trainer, 4)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-2, betas=(0.8, 0.9), eps=1e-6, weight_decay=0.1)
    for step in range(4):
        data = [datum(n, 10 * step + n) for n in LENGTHS]
        trainer.loss(request_of(*data))
        (-sum(peft_logprobs(model, d).sum() for d in data)).backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 / (step + 1)
        metrics = trainer.optim_step(
            AdamParams(
                learning_rate=1e-2 / (step + 1), beta1=0.8, beta2=0.9, eps=1e-6,
                weight_decay=0.1, grad_clip_norm=5.0,
            )
        )  # fmt: skip
        assert metrics["grad_norm"] == pytest.approx(float(norm), rel=1e-4)
        optimizer.step()
        optimizer.zero_grad()
    theirs = {n.replace(".default", ""): p for n, p in model.named_parameters() if p.requires_grad}
    for name, tensor in trainer.state(optimizer=False).items():
        assert close(tensor, theirs[name].detach(), 1e-4), name


@pytest.mark.parametrize(("limit", "reached"), [(0.5, 0.5), (1e6, None), (0.0, None)])
def test_the_gradient_is_clipped_to_its_global_norm(
    trained, datum, request_of, accumulated, limit, reached
):
    free, clipped = trained(), trained()
    for trainer in (free, clipped):
        trainer.loss(request_of(datum(9)))
    expected = accumulated(free)
    norm = np.sqrt(sum(float((g.astype(np.float64) ** 2).sum()) for g in expected.values()))
    ours = accumulated(clipped, grad_clip_norm=limit)
    factor = 1.0 if reached is None else reached / norm
    for name, gradient in expected.items():
        np.testing.assert_allclose(ours[name], factor * gradient, atol=1e-7 + 1e-4 * factor)


def test_gradients_accumulate_until_the_step_which_drops_them(
    trained, datum, request_of, accumulated
):
    once, twice = trained(), trained()
    once.loss(request_of(datum(5), datum(7)))
    twice.loss(request_of(datum(5)))
    twice.loss(request_of(datum(7)))
    ours, theirs = accumulated(twice), accumulated(once)
    assert all(close(ours[name], theirs[name], 1e-4) for name in ours)
    with pytest.raises(RequestError, match="without a gradient"):
        twice.optim_step(AdamParams())


def test_a_batch_of_zero_weights_is_a_gradient_of_zero(trained, datum, request_of):
    trainer = trained()
    result = trainer.loss(request_of(datum(5, weights=np.zeros(5))))
    assert result.metrics == {"loss:sum": 0.0}
    assert np.all(result.outputs[0]["logprobs"] < 0)
    assert trainer.optim_step(AdamParams())["grad_norm"] == 0


def test_a_gradient_that_is_not_finite_is_dropped_and_moves_nothing(trained, datum, request_of):
    trainer = trained()
    for _ in range(100):  # each finite, their sum beyond float32
        trainer.loss(request_of(datum(5, weights=np.full(5, 3e37))))
    before = trainer.state(optimizer=True)
    with pytest.raises(RequestError, match="norm is"):
        trainer.optim_step(AdamParams())
    after = trainer.state(optimizer=True)
    assert all(torch.equal(before[name], after[name]) for name in before)
