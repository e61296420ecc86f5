"""Adapters: their initialisation, their layers, their tensors."""

from __future__ import annotations

import pytest
import torch
from peft_oracle import close, peft_logprobs

from tinker_local.errors import RequestError
from tinker_local.request_types import AdamParams, LoraSpec
from tinker_local.training.trainer import Trainer


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
