"""Losses, gradients and steps against plain transformers, PEFT and torch.optim."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tinker_local.errors import RequestError
from tinker_local.model import base as base_model
from tinker_local.request_types import AdamParams, LoraSpec
from tinker_local.training import forward_backward
from tinker_local.training.trainer import Trainer

LENGTHS = (3, 17, 17, 1, 9)


def close(one: Any, other: Any, tolerance: float = 2e-5) -> bool:
    return bool(np.allclose(one, other, rtol=1e-4, atol=tolerance))


def peft_logprobs(model: Any, datum: Any) -> torch.Tensor:
    logp = model(torch.from_numpy(datum.tokens)[None]).logits[0].log_softmax(-1)
    targets = torch.from_numpy(datum.inputs["target_tokens"])
    return logp.gather(-1, targets.reshape(len(targets), -1)).reshape(targets.shape)


def peft_gradients(model: Any) -> dict[str, np.ndarray]:
    return {
        name.replace(".default", ""): parameter.grad.numpy()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def random_weights(length: int, *more: int) -> np.ndarray:
    return np.random.default_rng(length).normal(size=(length, *more)).astype(np.float32)


def test_a_new_adapter_changes_nothing(base, plain, datum, request_of):
    data = datum(9)
    trainer = Trainer(base, LoraSpec(rank=4, seed=1))
    ours = trainer.loss(request_of(data, forward_only=True)).outputs[0]["logprobs"]
    assert close(ours, peft_logprobs(plain, data).detach())


def test_an_adapter_starts_as_pefts_does(base):
    state = Trainer(base, LoraSpec(rank=4, seed=1)).state(optimizer=False)
    a = state["base_model.model.model.layers.0.mlp.down_proj.lora_A.weight"]
    assert a.shape == (4, 48)
    # Kaiming-uniform with a = sqrt(5) is uniform within 1/sqrt(inputs).
    assert 0.9 / 48**0.5 < a.abs().max() <= 1 / 48**0.5
    assert all(not t.any() for name, t in state.items() if "lora_B" in name)


def test_the_seed_decides_the_adapter(base):
    def first(seed: int | None) -> torch.Tensor:
        return next(
            iter(Trainer(base, LoraSpec(rank=4, seed=seed)).state(optimizer=False).values())
        )

    assert torch.equal(first(1), first(1))
    assert not torch.equal(first(1), first(2))
    assert not torch.equal(first(None), first(None))


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


def test_the_unembedding_adapter_leaves_the_tied_input_embedding_alone(
    base, plain, trained, datum, request_of
):
    before = base.network.get_input_embeddings().weight.clone()
    trainer = trained(train_attn=False, train_mlp=False)
    assert {n.split(".lora_")[0] for n in trainer.state(optimizer=False)} == {
        "base_model.model.lm_head"
    }
    trainer.loss(request_of(datum(9)))
    trainer.optim_step(AdamParams(learning_rate=0.1))
    assert torch.equal(base.network.get_input_embeddings().weight, before)
    other = Trainer(base, LoraSpec(rank=2, seed=0))
    lp = other.loss(request_of(datum(9), forward_only=True)).outputs[0]["logprobs"]
    assert close(lp, peft_logprobs(plain, datum(9)).detach())


@pytest.mark.parametrize(
    ("spec", "layers"),
    [
        ({"train_mlp": False, "train_unembed": False}, {"q_proj", "k_proj", "v_proj", "o_proj"}),
        ({"train_attn": False, "train_unembed": False}, {"gate_proj", "up_proj", "down_proj"}),
    ],
)
def test_the_spec_says_which_layers_have_an_adapter(trained, spec, layers):
    assert {n.split(".")[-3] for n in trained(**spec).state(optimizer=False)} == layers


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


def test_gradients_accumulate_until_the_step_and_then_start_anew(
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


def test_a_saved_and_loaded_trainer_goes_on_to_the_bit(trained, datum, request_of):
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


def test_loading_without_the_optimizer_starts_it_anew(trained, datum, request_of):
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: s.pop("base_model.model.lm_head.lora_A.weight"),
            "lacks base_model.model.lm_head",
        ),
        (lambda s: s.update(x=torch.zeros(1)), "holds x"),
        (lambda s: s.pop("optimizer.step"), "lacks optimizer.step"),
        (
            lambda s: s.update({"optimizer.step": torch.zeros(2)}),
            r"optimizer.step has shape \(2,\)",
        ),
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(trained, change, message):
    trainer = trained()
    before = trainer.state(optimizer=True)
    state = {name: tensor + 1 for name, tensor in before.items()}
    change(state)
    with pytest.raises(RequestError, match=message):
        trainer.load_state(state, optimizer=True)
    after = trainer.state(optimizer=True)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_spec_that_trains_nothing_is_refused(base):
    spec = LoraSpec(train_attn=False, train_mlp=False, train_unembed=False)
    with pytest.raises(RequestError, match="all False"):
        Trainer(base, spec)
