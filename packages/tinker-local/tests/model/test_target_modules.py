"""The kinds of layers, found by structure."""

from __future__ import annotations

import pytest
from architectures import tiny_config

from tinker_local.errors import RequestError
from tinker_local.model.load import load_model
from tinker_local.request_types import LoraSpec
from tinker_local.training.trainer import Trainer


@pytest.fixture(scope="module")
def loaded(save_model):
    models = {}

    def load(model_type):
        if model_type not in models:
            folder = save_model(tiny_config(model_type))
            models[model_type] = load_model(folder, name=model_type)
        return models[model_type]

    return load


# nemotron_h has attention at `mixer`, gpt2 fuses its projections, bloom names them
# query_key_value, the decoder layer of jamba with attention also holds an MLP, and falcon has a
# subclass of the linear layer.
@pytest.mark.parametrize(
    ("model_type", "attention"),
    [
        ("llama", {"q_proj", "k_proj", "v_proj", "o_proj"}),
        ("nemotron_h", {"q_proj", "k_proj", "v_proj", "o_proj"}),
        ("gpt2", {"c_attn", "c_proj"}),
        ("bloom", {"query_key_value", "dense"}),
        ("falcon", {"query_key_value", "dense"}),
        ("phi3", {"qkv_proj", "o_proj"}),
        ("mamba", set()),
    ],
)
def test_attention_is_found_by_its_projections(loaded, model_type, attention):
    targets = [target for target in loaded(model_type).targets if target.kind == "attn"]
    assert {target.path.rpartition(".")[2] for target in targets} == attention
    assert not [target.path for target in targets if "mlp" in target.path]


@pytest.mark.parametrize("model_type", ["mamba", "nemotron_h", "mixtral", "gpt2"])
def test_a_kind_of_layer_that_a_model_lacks_is_no_error(loaded, model_type):
    base = loaded(model_type)
    trainer = Trainer(base, LoraSpec(rank=2))
    assert sum(trainer.layers.values()) > 0
    assert ("attn" in trainer.layers) == (model_type != "mamba")


def test_training_without_any_layer_is_refused(loaded):
    spec = LoraSpec(rank=2, train_mlp=False, train_unembed=False)
    with pytest.raises(RequestError, match=r"train_attn=True.*other kinds only \(mlp, unembed\)"):
        Trainer(loaded("mamba"), spec)
    with pytest.raises(RequestError, match="all False"):
        Trainer(loaded("mamba"), LoraSpec(train_attn=False, train_mlp=False, train_unembed=False))


def test_experts_are_counted_by_layer_and_belong_to_the_mlp(loaded):
    base = loaded("mixtral")
    assert Trainer(base, LoraSpec(rank=2)).layers == {"attn": 8, "experts": 2, "unembed": 1}
    assert "experts" not in Trainer(base, LoraSpec(rank=2, train_mlp=False)).layers


def test_routers_and_gates_of_shared_experts_are_no_targets(loaded):
    paths = [target.path for target in loaded("qwen2_moe").targets]
    assert not [path for path in paths if path.endswith((".gate", "shared_expert_gate"))]
    assert [path for path in paths if "shared_expert.up_proj" in path]
