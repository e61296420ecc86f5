"""Adapters of mixtures of experts against PEFT, and against one expert at a time."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime

import numpy as np
import peft
import pytest
import torch
from architectures import tiny_config
from sample_requests import forward, sample
from transformers import AutoModelForCausalLM

from tinker_local.model.load import load_model
from tinker_local.request_types import AdamParams, LoraSpec
from tinker_local.sampling.continuous_batching import Sampler
from tinker_local.storage.checkpoint_path import make_path
from tinker_local.storage.checkpoint_store import CheckpointMetadata, CheckpointStore
from tinker_local.training.trainer import Trainer

RANK = 3
SCALE = 32 / RANK
# gpt_oss has transposed weights and biases.
MIXTURES = ["mixtral", "qwen3_moe", "gpt_oss", "olmoe", "granitemoe", "minimax_m2"]


@pytest.fixture(scope="module", params=MIXTURES)
def mixture(request, save_model):
    folder = save_model(tiny_config(request.param))
    return folder, load_model(folder, name=request.param)


def plain_model(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def experts_of(plain):
    return {path: m for path, m in plain.named_modules() if hasattr(m, "_apply_gate")}


def merge(plain, state):
    """Add to every weight, expert by expert, what the adapter adds to it."""
    state = {name.removeprefix("base_model.model."): tensor for name, tensor in state.items()}
    merged = set()
    for path, experts in experts_of(plain).items():
        first = "gate_up_proj" if hasattr(experts, "gate_up_proj") else "up_proj"
        names = [n for n, _ in experts.named_parameters() if n in (first, "down_proj")]
        for name, peft_path in zip(names, (f"{path}.base_layer", path), strict=True):
            a, b = (state[f"{peft_path}.lora_{letter}.weight"] for letter in "AB")
            merged |= {f"{peft_path}.lora_{letter}.weight" for letter in "AB"}
            weights = getattr(experts, name)
            count = len(weights)
            for e in range(count):
                delta = SCALE * b[:, e::count] @ a[e * RANK : (e + 1) * RANK]
                weights.data[e] += delta.T if experts.is_transposed else delta
    for name in state.keys() - merged:
        if name.endswith(".lora_A.weight"):
            path = name.removesuffix(".lora_A.weight")
            delta = SCALE * state[f"{path}.lora_B.weight"] @ state[name]
            plain.get_submodule(path).weight.data += delta


@pytest.mark.parametrize("model_type", [*MIXTURES, "nemotron_h"])  # that one has no gates
def test_the_default_lora_equals_one_plain_expert_at_a_time(
    save_model, trained, request_of, datum, model_type
):
    folder = save_model(tiny_config(model_type))
    base = load_model(folder, name=model_type)
    trainer = trained(on=base, rank=RANK)
    data = [datum(n, n) for n in (5, 11, 5)]
    outputs = trainer.loss(request_of(*data, forward_only=True)).outputs
    plain = plain_model(folder)
    merge(plain, trainer.state(optimizer=False))
    for given, output in zip(data, outputs, strict=True):
        with torch.no_grad():
            logp = plain(torch.from_numpy(given.tokens)[None]).logits[0].log_softmax(-1)
        expected = logp.gather(-1, torch.from_numpy(given.inputs["target_tokens"])[:, None])[:, 0]
        np.testing.assert_allclose(output["logprobs"], expected, atol=1e-4)


def test_peft_reads_a_checkpoint_and_has_the_same_gradients(
    mixture, trained, request_of, datum, accumulated, tmp_path
):
    folder, base = mixture
    trainer = trained(on=base, rank=RANK)
    path = make_path("s:train:0", "weights", "saved")
    metadata = CheckpointMetadata(
        base_model=str(folder),
        spec=LoraSpec(rank=RANK),
        created=datetime.now(UTC),
        target_parameters=trainer.target_parameters,
    )
    store = CheckpointStore(tmp_path)
    store.write(path, metadata, trainer.state(optimizer=False), {})
    assert store.metadata(path) == metadata
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PEFT's own business
        adapted = peft.PeftModel.from_pretrained(
            plain_model(folder), store.folder(path), is_trainable=True
        )
    given = datum(9)
    tokens, targets = (torch.from_numpy(x) for x in (given.tokens, given.inputs["target_tokens"]))
    logp = adapted(tokens[None]).logits[0].log_softmax(-1).gather(-1, targets[:, None])[:, 0]
    output = trainer.loss(request_of(given)).outputs[0]["logprobs"]
    np.testing.assert_allclose(output, logp.detach(), atol=1e-4)
    (-logp.sum()).backward()
    expected = {
        name.replace(".default", ""): parameter.grad
        for name, parameter in adapted.named_parameters()
        if parameter.requires_grad
    }
    gradients = accumulated(trainer)
    assert expected.keys() == gradients.keys()
    for name, gradient in gradients.items():
        size = max(1.0, float(expected[name].abs().max()))
        np.testing.assert_allclose(gradient, expected[name], atol=2e-3 * size, err_msg=name)


def test_experts_learn_and_the_router_stays_frozen(mixture, request_of, datum):
    _, base = mixture
    trainer = Trainer(base, LoraSpec(rank=RANK, seed=0))
    assert trainer.layers["experts"] >= 1
    losses = []
    for _ in range(6):
        losses.append(trainer.loss(request_of(datum(12), datum(5, 1))).metrics["loss:sum"])
        trainer.optim_step(AdamParams(learning_rate=0.02))
    assert losses[-1] < 0.8 * losses[0]
    names = [name for name in trainer.state(optimizer=False) if "expert" not in name]
    assert not [name for name in names if "router" in name or ".gate." in name]


def test_adapters_of_different_requests_do_not_mix(mixture, trained, request_of, run):
    _, base = mixture
    trainers = [trained(seed, on=base, rank=RANK) for seed in (1, 2)]
    adapters = [trainers[0].adapter(), None, trainers[1].adapter()]
    requests = [(sample(6 + i, i, max_tokens=5), a) for i, a in enumerate(adapters)]
    together = run(Sampler(base), requests)
    for i, trainer in ((0, trainers[0]), (2, trainers[1])):
        tokens = np.concatenate([requests[i][0].prompt, together[i].sequences[0].tokens])
        after = forward(trainer, request_of, tokens)[5 + i :]
        np.testing.assert_allclose(together[i].sequences[0].logprobs, after, atol=5e-4)
    (alone,) = run(Sampler(base), [requests[1]])
    assert np.array_equal(alone.sequences[0].tokens, together[1].sequences[0].tokens)
