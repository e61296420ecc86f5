"""One CUDA GPU computes what the CPU computes."""

from __future__ import annotations

import numpy as np
import pytest
import tinker
import torch

from tinker_local import start_engine
from tinker_local.model.load import load_model
from tinker_local.request_types import AdamParams, Datum, LoraSpec, SampleRequest
from tinker_local.sampling.continuous_batching import Sampler
from tinker_local.training.trainer import Trainer

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


def test_training_in_float32_equals_the_cpus(folder, datum, request_of):
    states, losses = [], []
    for device in ("cpu", "cuda"):
        trainer = Trainer(load_model(folder, name="tiny", device=device), LoraSpec(rank=4, seed=0))
        for _ in range(3):
            request = request_of(datum(12), datum(5, 1), datum(30, 2))
            losses.append(trainer.loss(request).metrics["loss:sum"])
            trainer.optim_step(AdamParams(learning_rate=1e-2))
        states.append(trainer.state(optimizer=True))
    np.testing.assert_allclose(losses[:3], losses[3:], rtol=1e-4)
    for name, tensor in states[0].items():
        assert states[1][name].device.type == "cpu"
        torch.testing.assert_close(states[1][name], tensor, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize(("dtype", "near"), [("float32", 1e-4), ("bfloat16", 0.1)])
def test_the_samplers_logprobs_equal_the_trainers(folder, datum, request_of, run, dtype, near):
    base = load_model(folder, name="tiny", dtype=dtype, device="cuda")
    trainer = Trainer(base, LoraSpec(rank=4, seed=0))
    prompts = [datum(length, length).tokens for length in (3, 9, 9, 40)]
    requests = [SampleRequest(prompt=p, num_samples=2, max_tokens=8, seed=1) for p in prompts]
    adapter = trainer.adapter()
    for prompt, sampled in zip(
        prompts, run(Sampler(base), [(request, adapter) for request in requests]), strict=True
    ):
        for sequence in sampled.sequences:
            whole = np.concatenate([prompt, sequence.tokens])
            scored_datum = Datum(tokens=whole[:-1], inputs={"target_tokens": whole[1:]})
            result = trainer.loss(request_of(scored_datum, forward_only=True))
            scored = result.outputs[0]["logprobs"]
            np.testing.assert_allclose(sequence.logprobs, scored[len(prompt) - 1 :], atol=near)


def test_an_engine_uses_the_gpu_when_the_environment_asks_for_it(tmp_path, monkeypatch):
    monkeypatch.setenv("TINKER_LOCAL_DEVICE", "cuda")
    with (
        start_engine(home=tmp_path) as engine,
        tinker.ServiceClient(base_url=engine.base_url, api_key=engine.api_key) as client,
    ):
        training = client.create_lora_training_client(base_model="local/tiny", rank=4).result()
        tokens = list(range(3, 35))
        data = tinker.Datum(
            model_input=tinker.ModelInput.from_ints(tokens),
            loss_fn_inputs={"target_tokens": tokens, "weights": [1.0] * 32},
        )
        losses = []
        for _ in range(5):
            losses.append(training.forward_backward([data], "cross_entropy").result().metrics)
            training.optim_step(tinker.AdamParams(learning_rate=1e-2)).result()
    assert losses[-1]["loss:sum"] < losses[0]["loss:sum"]
