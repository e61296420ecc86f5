"""The exported adapter: what PEFT computes with it, and what vLLM and SGLang make of its names."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText
from weights_architectures import ARCHITECTURES, MIXTURES, VISION
from weights_engine import TOKENS

from tinker_core import CheckpointError, ConfigError
from tinker_weights.adapter.read import read_adapter
from tinker_weights.base_model.outline import outline
from tinker_weights.export.export_adapter import write_adapter
from tinker_weights.export.serving import VLLM_FUSED_EXPERTS, VLLM_WITHOUT_LORA

VLLM = json.loads((Path(__file__).parent / "vllm.json").read_text())["architectures"]
NO_ATTENTION = ("mamba",)
NO_MLP = ("mixtral", "qwen3_moe", "gpt_oss", "olmoe", "granitemoe")

REFUSED_BY_PEFT = ("mamba", "deepseek_v3", "glm4_moe")
"""It cannot go through a layer of Mamba, and takes shared experts for experts."""


def spec_of(model_type: str) -> dict[str, bool]:
    return {"train_attn": model_type not in NO_ATTENTION, "train_mlp": model_type not in NO_MLP}


def with_peft(base: Path, adapter: Path, loader: Any = AutoModelForCausalLM) -> Any:
    """The logits of PEFT. It may not warn of what it finds in the adapter."""
    model = loader.from_pretrained(base, dtype=torch.float32)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*checkpointing", category=FutureWarning)
        warnings.filterwarnings("ignore", message=".*tie", category=UserWarning)
        warnings.filterwarnings("ignore", message=".*fan_in_fan_out", category=UserWarning)
        loaded = peft.PeftModel.from_pretrained(model, adapter).eval()
    with torch.no_grad():
        return loaded(input_ids=TOKENS[None], use_cache=False).logits[0].numpy()


def keys_of(folder: Path) -> set[str]:
    with safe_open(folder / "adapter_model.safetensors", "np") as file:
        return {key.split(".lora_")[0].removeprefix("base_model.model.") for key in file.keys()}  # noqa: SIM118


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_peft_computes_with_the_exported_adapter_what_the_engine_computes(
    save_model, train, tmp_path, name
):
    config = ARCHITECTURES[name]
    checkpoint = train(save_model(config), **spec_of(config.model_type))
    adapter, base = read_adapter(checkpoint.adapter), outline(str(checkpoint.base))
    if config.model_type in REFUSED_BY_PEFT:
        with pytest.raises(CheckpointError, match=r"PEFT loads no adapter on .*: merge it"):
            write_adapter(adapter, base, tmp_path / "out")
        return
    write_adapter(adapter, base, tmp_path / "out")
    np.testing.assert_allclose(
        with_peft(checkpoint.base, tmp_path / "out"), checkpoint.logits, atol=1e-5
    )


@pytest.mark.parametrize("name", VISION)
def test_peft_computes_with_the_hosted_services_adapter_of_a_vision_model(tmp_path, name):
    """The service's names know no language_model."""
    base = tmp_path / "base"
    torch.manual_seed(0)
    AutoModelForImageTextToText.from_config(VISION[name]).save_pretrained(base)
    model = AutoModelForImageTextToText.from_pretrained(base, dtype=torch.float32)
    layers = [
        (path, module) for path, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and "language_model.layers" in path
    ]  # fmt: skip
    tensors = {}
    generator = torch.Generator().manual_seed(1)
    for path, module in layers:
        short = path.replace("model.language_model.", "model.")
        a = torch.randn(3, module.in_features, generator=generator) * 0.1
        b = torch.randn(module.out_features, 3, generator=generator) * 0.1
        tensors[f"base_model.model.{short}.lora_A.weight"] = a
        tensors[f"base_model.model.{short}.lora_B.weight"] = b
        module.weight.data += 2 * b @ a
    with torch.no_grad():
        expected = model(input_ids=TOKENS[None], use_cache=False).logits[0].numpy()
    adapter = save_adapter(tmp_path / "adapter", tensors)
    write_adapter(read_adapter(adapter), outline(str(base)), tmp_path / "out")
    logits = with_peft(base, tmp_path / "out", AutoModelForImageTextToText)
    np.testing.assert_allclose(logits, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["gemma3 tied", "qwen3_5 tied"])
def test_an_engines_adapter_of_a_vision_model_loads_in_the_class_that_its_config_names(
    train, tmp_path, name
):
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(VISION[name])
    model.save_pretrained(tmp_path / "base")
    checkpoint = train(tmp_path / "base")
    base = outline(str(checkpoint.base))
    write_adapter(read_adapter(checkpoint.adapter), base, tmp_path / "out")
    logits = with_peft(checkpoint.base, tmp_path / "out", AutoModelForImageTextToText)
    np.testing.assert_allclose(logits, checkpoint.logits, atol=1e-5)


def save_adapter(folder: Path, tensors: dict[str, torch.Tensor], **config: Any) -> Path:
    folder.mkdir()
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(contiguous, folder / "adapter_model.safetensors")
    settings = {"peft_type": "LORA", "r": 3, "lora_alpha": 6, **config}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    return folder


def hosted_experts(base: Path, tmp_path: Path) -> tuple[Path, Any]:
    """An adapter of the hosted service on all experts, and the model with it."""
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for path, module in model.named_modules():
        if not path.endswith(".experts") or not hasattr(module, "gate_up_proj"):
            continue
        for projection in ("w1", "w3", "w2"):
            weight = part_of(module, projection, model.config.model_type)
            count, outputs, inputs = weight.shape
            a = torch.randn(count if projection == "w2" else 1, 3, inputs, generator=generator)
            b = torch.randn(1 if projection == "w2" else count, outputs, 3, generator=generator)
            tensors[f"base_model.model.{path}.{projection}.lora_A.weight"] = a * 0.1
            tensors[f"base_model.model.{path}.{projection}.lora_B.weight"] = b * 0.1
            weight += 2 * (b * 0.1) @ (a * 0.1)  # a view of the parameter
    return save_adapter(tmp_path / "adapter", tensors), model


def part_of(module: Any, projection: str, model_type: str) -> torch.Tensor:
    """A view (experts, outputs, inputs) of one projection of all experts."""
    weight = (module.down_proj if projection == "w2" else module.gate_up_proj).data
    if getattr(module, "is_transposed", False):
        weight = weight.transpose(1, 2)
    if projection == "w2":
        return weight
    if model_type == "gpt_oss":
        return weight[:, int(projection == "w3") :: 2]
    half = weight.shape[1] // 2
    return weight[:, half:] if projection == "w3" else weight[:, :half]


@pytest.mark.parametrize("name", MIXTURES)
def test_peft_computes_with_the_hosted_services_experts(save_model, tmp_path, name):
    base = save_model(MIXTURES[name])
    adapter, model = hosted_experts(base, tmp_path)
    with torch.no_grad():
        expected = model(TOKENS[None], use_cache=False).logits[0].numpy()
    write_adapter(read_adapter(adapter), outline(str(base)), tmp_path / "out")
    np.testing.assert_allclose(with_peft(base, tmp_path / "out"), expected, atol=1e-5)


def test_what_was_exported_for_peft_is_read_back_as_the_same_updates(save_model, tmp_path):
    base = save_model(MIXTURES["gpt_oss (transposed, gate and up alternate)"])
    adapter, _ = hosted_experts(base, tmp_path)
    write_adapter(read_adapter(adapter), outline(str(base)), tmp_path / "out")
    again = read_adapter(tmp_path / "out")
    before = {pair.label: pair for pair in read_adapter(adapter).pairs}
    for pair in again.pairs:
        update = pair.scale * pair.b @ pair.a
        if pair.projection == "down":
            other = before[pair.label]
            np.testing.assert_allclose(update, other.scale * other.b @ other.a, atol=1e-6)
        else:
            for first, projection in enumerate(("gate", "up")):
                other = before[pair.label.replace("gate_up", projection)]
                np.testing.assert_allclose(
                    update[first::2], other.scale * other.b @ other.a, atol=1e-6
                )


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_vllm_expects_every_name_of_an_adapter_that_is_exported_for_it(
    save_model, train, tmp_path, name
):
    config = ARCHITECTURES[name]
    checkpoint = train(save_model(config), train_unembed=False, **spec_of(config.model_type))
    base, adapter = outline(str(checkpoint.base)), read_adapter(checkpoint.adapter)
    if base.architecture in VLLM_WITHOUT_LORA:
        with pytest.raises(CheckpointError, match="without adapters: merge it"):
            write_adapter(adapter, base, tmp_path / "out", target="vllm")
        return
    write_adapter(adapter, base, tmp_path / "out", target="vllm")
    known = VLLM.get(base.architecture)  # None: served through transformers, by its names
    names = {key.rpartition(".")[-1] for key in keys_of(tmp_path / "out")}
    if known is not None:
        assert names <= set(known["names"]), (names, known["names"])


@pytest.mark.parametrize("name", MIXTURES)
def test_experts_are_named_for_vllm_one_by_one_or_all_in_one(save_model, tmp_path, name):
    base = save_model(MIXTURES[name])
    adapter, _ = hosted_experts(base, tmp_path)
    model = outline(str(base))
    fused = "granitemoe" in name or "llama4" in name
    if fused:
        with pytest.raises(CheckpointError, match="merge it instead"):
            write_adapter(read_adapter(adapter), model, tmp_path / "out", target="vllm")
        return
    write_adapter(read_adapter(adapter), model, tmp_path / "out", target="vllm")
    keys = keys_of(tmp_path / "out")
    if model.architecture in VLLM_FUSED_EXPERTS:
        assert VLLM[model.architecture]["fused_experts"]
        assert {key.split(".experts")[1] for key in keys} == {"", ".base_layer"}
    else:
        # As the files of the base model name them, which is what vLLM maps from.
        assert {f"{key}.weight" for key in keys} <= set(model.shapes)


def test_vllms_table_says_what_its_source_says():
    for architecture in VLLM_WITHOUT_LORA:
        assert not VLLM[architecture]["lora"], architecture
    for architecture in VLLM_FUSED_EXPERTS:
        assert VLLM[architecture]["fused_experts"], architecture


@pytest.mark.parametrize("name", ["llama", "llama tied", "qwen2 tied", "gemma tied"])
def test_an_adapter_on_the_unembedding_is_refused_for_vllm_with_advice(
    save_model, train, tmp_path, name
):
    checkpoint = train(save_model(ARCHITECTURES[name]))
    base = outline(str(checkpoint.base))
    with pytest.raises(CheckpointError, match=r"lm_head.*merge it.*train_unembed=False"):
        write_adapter(read_adapter(checkpoint.adapter), base, tmp_path / "out", target="vllm")
    assert not (tmp_path / "out").exists()


def test_sglang_gets_the_unembedding_and_the_names_that_it_knows(save_model, train, tmp_path):
    checkpoint = train(save_model(ARCHITECTURES["llama tied"]))
    base = outline(str(checkpoint.base))
    write_adapter(read_adapter(checkpoint.adapter), base, tmp_path / "out", target="sglang")
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert "lm_head" in config["target_modules"]
    assert "lm_head" in keys_of(tmp_path / "out")


def test_modules_that_sglang_does_not_know_are_refused_by_name(save_model, train, tmp_path):
    checkpoint = train(save_model(ARCHITECTURES["gpt2 (c_attn, Conv1D) tied"]))
    base = outline(str(checkpoint.base))
    with pytest.raises(CheckpointError, match="SGLang loads no adapter on c_attn, c_fc, c_proj"):
        write_adapter(read_adapter(checkpoint.adapter), base, tmp_path / "out", target="sglang")


def test_an_adapter_of_another_model_is_refused(save_model, train, tmp_path):
    checkpoint = train(save_model(ARCHITECTURES["gpt_neox (query_key_value)"]))
    other = outline(str(save_model(ARCHITECTURES["llama"])))
    with pytest.raises(ConfigError, match="is it the base model"):
        write_adapter(read_adapter(checkpoint.adapter), other, tmp_path / "out")


def test_parts_of_one_tensor_become_one_module_of_a_higher_rank(save_model, tmp_path):
    """Qwen3.5's linear attention: the service trains in_proj_q, in_proj_k and in_proj_v."""
    base = tmp_path / "base"
    torch.manual_seed(0)
    AutoModelForImageTextToText.from_config(VISION["qwen3_5 tied"]).save_pretrained(base)
    parts = {"in_proj_q": 16, "in_proj_k": 16, "in_proj_v": 32}
    tensors, updates = {}, []
    for name, outputs in parts.items():
        a, b = torch.randn(3, 32), torch.randn(outputs, 3)
        path = f"base_model.model.model.layers.0.linear_attn.{name}"
        tensors |= {f"{path}.lora_A.weight": a, f"{path}.lora_B.weight": b}
        updates.append(2 * b @ a)
    write_adapter(
        read_adapter(save_adapter(tmp_path / "adapter", tensors)), outline(str(base)),
        tmp_path / "out", target="vllm",
    )  # fmt: skip
    file = load_file(tmp_path / "out" / "adapter_model.safetensors")
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    (key,) = keys_of(tmp_path / "out")
    assert key == "model.language_model.layers.0.linear_attn.in_proj_qkv"
    assert (config["r"], config["lora_alpha"]) == (9, 18)
    b, a = (file[f"base_model.model.{key}.lora_{side}.weight"] for side in "BA")
    torch.testing.assert_close(2 * b @ a, torch.cat(updates))
