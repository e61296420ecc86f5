"""Other architectures: however they are served, the numbers are those of transformers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from architectures import tiny_config
from sample_requests import forward, sample
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    Gemma2Config,
    Gemma3TextConfig,
    GPT2Config,
    GraniteConfig,
    MambaConfig,
    MistralConfig,
    OPTConfig,
    PreTrainedConfig,
    Qwen3Config,
)

from tinker_local.errors import RequestError
from tinker_local.model.load import load_model
from tinker_local.request_types import AdamParams, LoraSpec, SampleRequest
from tinker_local.sampling.continuous_batching import Sampler
from tinker_local.training.trainer import Trainer

SHAPE: dict[str, Any] = {
    "vocab_size": 260,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 96,
    "pad_token_id": 0,
    "eos_token_id": 257,
}
OLD: dict[str, Any] = {"vocab_size": 260, "pad_token_id": 0, "eos_token_id": 257}

RAGGED: list[PreTrainedConfig] = [
    Qwen3Config(**SHAPE, tie_word_embeddings=True),
    MistralConfig(**SHAPE, sliding_window=4),
    Gemma3TextConfig(**SHAPE, sliding_window=4),
    GraniteConfig(**SHAPE, logits_scaling=3.0, embedding_multiplier=2.0),
    GPT2Config(**OLD, n_embd=32, n_layer=2, n_head=4, n_positions=96, bos_token_id=1),
    OPTConfig(
        **OLD, hidden_size=32, ffn_dim=48, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=96, word_embed_proj_dim=32, bos_token_id=1,
    ),
]  # fmt: skip
ONE_BY_ONE: list[PreTrainedConfig] = [
    Gemma2Config(**SHAPE, sliding_window=4),
    BloomConfig(**OLD, hidden_size=32, n_layer=2, n_head=4, bos_token_id=1),
    MambaConfig(**OLD, hidden_size=32, num_hidden_layers=2, bos_token_id=1),
]


def named(config: PreTrainedConfig) -> str:
    return config.model_type


@pytest.mark.parametrize("config", RAGGED, ids=named)
def test_architectures_that_use_the_attention_interface_run_ragged_and_cached(save_model, config):
    base = load_model(save_model(config), name="other")
    assert base.ragged
    assert base.cache_shape is not None


@pytest.mark.parametrize("config", ONE_BY_ONE, ids=named)
def test_other_architectures_run_one_sequence_at_a_time(save_model, config):
    assert not load_model(save_model(config), name="other").ragged


@pytest.mark.parametrize("config", [*RAGGED, *ONE_BY_ONE], ids=named)
def test_greedy_samples_and_logprobs_are_transformers(
    save_model, datum, request_of, trained, run, config
):
    folder = save_model(config)
    base = load_model(folder, name="other")
    plain = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    data = [datum(n, n) for n in (5, 12, 5)]
    spec = {"train_attn": config.model_type != "mamba"}
    trainer = Trainer(base, LoraSpec(rank=2, seed=0, **spec))
    for given, output in zip(
        data, trainer.loss(request_of(*data, forward_only=True)).outputs, strict=True
    ):
        with torch.no_grad():
            logp = plain(torch.from_numpy(given.tokens)[None]).logits[0].log_softmax(-1)
        expected = logp.gather(-1, torch.from_numpy(given.inputs["target_tokens"])[:, None])[:, 0]
        np.testing.assert_allclose(output["logprobs"], expected, atol=2e-5)
    request = SampleRequest(
        prompt=data[1].tokens, temperature=0.0, max_tokens=9, num_samples=2, stop_tokens=frozenset()
    )
    short = SampleRequest(prompt=data[0].tokens, seed=1, max_tokens=4, stop_tokens=frozenset())
    other = trained(3, on=base, rank=2, **spec)
    adapters = [trainer.adapter(), other.adapter()]
    greedy, drawn = run(Sampler(base), [(request, adapters[0]), (short, adapters[1])])
    for sequence in greedy.sequences:
        tokens = data[1].tokens
        for token, logprob in zip(sequence.tokens, sequence.logprobs, strict=True):
            with torch.no_grad():
                logp = plain(torch.from_numpy(tokens)[None]).logits[0, -1].log_softmax(-1)
            assert token == logp.argmax()
            assert abs(logprob - logp.max()) < 2e-5
            tokens = np.append(tokens, token)
    full = np.append(short.prompt, drawn.sequences[0].tokens).astype(np.int64)
    with torch.no_grad():
        hidden = other.loss(
            request_of(
                type(data[0])(tokens=full[:-1], inputs={"target_tokens": full[1:]}),
                forward_only=True,
            )
        )
    np.testing.assert_allclose(
        hidden.outputs[0]["logprobs"][4:], drawn.sequences[0].logprobs, atol=2e-5
    )


@pytest.mark.parametrize("config", [RAGGED[4], ONE_BY_ONE[0]], ids=named)
def test_every_architecture_learns(save_model, datum, request_of, config):
    base = load_model(save_model(config), name="other")
    trainer = Trainer(base, LoraSpec(rank=4, seed=0))
    losses = []
    for _ in range(8):
        losses.append(trainer.loss(request_of(datum(12), datum(5, 1))).metrics["loss:sum"])
        trainer.optim_step(AdamParams(learning_rate=0.02))
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("model_type", ["deepseek_v2", "deepseek_v3", "minicpm3"])
def test_architectures_without_the_kv_cache_sample_what_they_train(
    save_model, trained, request_of, run, model_type
):
    base = load_model(save_model(tiny_config(model_type, num_key_value_heads=4)), name=model_type)
    trainer = trained(on=base, rank=2)
    request = sample(12, 1, max_tokens=6)
    (result,) = run(Sampler(base), [(request, trainer.adapter())])
    tokens = np.concatenate([request.prompt, result.sequences[0].tokens])
    after = forward(trainer, request_of, tokens)[11:]
    np.testing.assert_allclose(result.sequences[0].logprobs, after, atol=1e-4)


def test_rotary_frequencies_that_depend_on_the_length_do_not_mix(save_model, datum, request_of):
    rope = {
        "rope_type": "longrope", "rope_theta": 10000.0, "original_max_position_embeddings": 64,
        "short_factor": [1.0] * 4, "long_factor": [4.0] * 4,
    }  # fmt: skip
    folder = save_model(tiny_config("phi3", rope_parameters=rope))
    plain = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    trainer = Trainer(load_model(folder, name="phi3"), LoraSpec(rank=2))
    data = [datum(n, n) for n in (20, 100, 30)]
    outputs = trainer.loss(request_of(*data, forward_only=True)).outputs
    for given, output in zip(data, outputs, strict=True):
        with torch.no_grad():
            logp = plain(torch.from_numpy(given.tokens)[None]).logits[0].log_softmax(-1)
        expected = logp.gather(-1, torch.from_numpy(given.inputs["target_tokens"])[:, None])[:, 0]
        np.testing.assert_allclose(output["logprobs"], expected, atol=1e-4)


@pytest.mark.parametrize("model_type", ["bert", "roberta", "electra"])
def test_encoders_are_refused_by_name(save_model, model_type):
    folder = save_model(tiny_config(model_type))
    with pytest.raises(RequestError, match=f"encoder: {model_type} is not a causal model"):
        load_model(folder, name="encoder")
