"""Trainers: what a failed request leaves, what others do to it, saving and loading."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tinker_local.errors import RequestError
from tinker_local.request_types import AdamParams
from tinker_local.training.trainer import Trainer


def test_forward_only_and_failed_requests_leave_the_gradient_as_it_was(
    trained, datum, request_of, accumulated
):
    quiet, disturbed = trained(), trained()
    for trainer in (quiet, disturbed):
        trainer.loss(request_of(datum(5)))
    disturbed.loss(request_of(datum(7), forward_only=True))
    ones = np.ones(7)
    far_off = datum(7, logprobs=-1e6 * ones, advantages=ones)
    with pytest.raises(RequestError, match="datum 1: its loss is -inf"):
        disturbed.loss(
            request_of(
                datum(7, logprobs=-ones, advantages=ones), far_off, loss_fn="importance_sampling"
            )
        )
    ours, theirs = accumulated(disturbed), accumulated(quiet)
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_trainers_on_one_base_model_do_not_touch_each_other(trained, datum, request_of):
    def steps(trainer: Trainer, others: list[Trainer]) -> tuple[dict[str, torch.Tensor], list]:
        lps = []
        for step in range(3):
            for other in others:
                other.loss(request_of(datum(11, 7)))
            lps.append(trainer.loss(request_of(datum(9, step))).outputs[0]["logprobs"])
            for other in others:
                other.optim_step(AdamParams(learning_rate=0.1))
            trainer.optim_step(AdamParams(learning_rate=0.01))
        return trainer.state(optimizer=True), lps

    alone, lps_alone = steps(trained(1), [])
    crowd = [trained(2, rank=8), trained(3, rank=2, train_mlp=False)]
    crowded, lps_crowded = steps(trained(1), crowd)
    assert all(torch.equal(alone[name], crowded[name]) for name in alone)
    assert all(np.array_equal(a, b) for a, b in zip(lps_alone, lps_crowded, strict=True))


def test_a_loaded_trainer_continues_to_the_bit(trained, datum, request_of):
    def steps(trainer: Trainer, seeds: range) -> list[np.ndarray]:
        lps = []
        for seed in seeds:
            result = trainer.loss(request_of(datum(9, seed), datum(4, seed)))
            lps += [output["logprobs"] for output in result.outputs]
            trainer.optim_step(AdamParams(learning_rate=0.01))
        return lps

    first = trained(1)
    steps(first, range(3))
    state = first.state(optimizer=True)
    second = trained(99)
    second.loss(request_of(datum(5)))  # a gradient that must not survive
    second.load_state(state, optimizer=True)
    expected, resumed = steps(first, range(3, 6)), steps(second, range(3, 6))
    assert all(np.array_equal(a, b) for a, b in zip(expected, resumed, strict=True))
    ours, theirs = second.state(optimizer=True), first.state(optimizer=True)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_loading_without_the_optimizer_resets_it(trained, datum, request_of):
    used, fresh = trained(1), trained(1)
    for _ in range(2):
        used.loss(request_of(datum(9)))
        used.optim_step(AdamParams(learning_rate=0.01))
    fresh.load_state(used.state(optimizer=True), optimizer=False)
    used.load_state(used.state(optimizer=True), optimizer=False)
    for trainer in (used, fresh):
        trainer.loss(request_of(datum(9)))
        trainer.optim_step(AdamParams(learning_rate=0.01))
    ours, theirs = used.state(optimizer=True), fresh.state(optimizer=True)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert ours["optimizer.step"] == 1
