"""Layers that are one tensor on one side and several on the other."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

import tinker_weights
from tinker_core import ConfigError


def model(folder, **shapes):
    """A base model of the given tensors; `__` stands for a dot."""
    folder.mkdir()
    tensors = {f"{name.replace('__', '.')}.weight": torch.randn(shape)
               for name, shape in shapes.items()}  # fmt: skip
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "x"}))
    return folder, tensors


def adapter(folder, **shapes):
    """An adapter on modules of the given (outputs, inputs); the update of each."""
    folder.mkdir()
    tensors, updates = {}, {}
    for name, (outputs, inputs) in shapes.items():
        module = name.replace("__", ".")
        a, b = torch.randn(2, inputs), torch.randn(outputs, 2)
        tensors |= {f"{module}.lora_A.weight": a, f"{module}.lora_B.weight": b}
        updates[module] = 3 * b @ a
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {"r": 2, "lora_alpha": 6, "peft_type": "LORA"}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder, updates


def merge(tmp_path, base, lora):
    merged = tinker_weights.merge(str(lora), tmp_path / "merged", base=str(base))
    return load_file(merged.folder / "model.safetensors")


def test_parts_are_rows_of_the_fused_tensor_in_their_order(tmp_path):
    base, tensors = model(tmp_path / "base", layers__0__attn__in_proj_qkv=(16, 5))
    lora, updates = adapter(
        tmp_path / "lora",
        model__layers__0__attn__in_proj_v=(8, 5),
        model__layers__0__attn__in_proj_q=(4, 5),
        model__layers__0__attn__in_proj_k=(4, 5),
    )
    after = merge(tmp_path, base, lora)
    name = "layers.0.attn.in_proj_qkv.weight"
    order = [f"model.layers.0.attn.in_proj_{part}" for part in "qkv"]
    torch.testing.assert_close(after[name], tensors[name] + torch.cat([updates[n] for n in order]))


def test_a_fused_module_is_taken_apart_for_its_tensors(tmp_path):
    base, tensors = model(
        tmp_path / "base", model__mlp__gate_proj=(6, 5), model__mlp__up_proj=(6, 5)
    )
    lora, updates = adapter(tmp_path / "lora", model__mlp__gate_up_proj=(12, 5))
    after = merge(tmp_path, base, lora)
    gate, up = updates["model.mlp.gate_up_proj"].split(6)
    for name, update in {"model.mlp.gate_proj": gate, "model.mlp.up_proj": up}.items():
        torch.testing.assert_close(after[f"{name}.weight"], tensors[f"{name}.weight"] + update)


def test_rows_behind_the_last_part_stay(tmp_path):
    """Mamba's in_proj has more rows than gate_proj and x_proj."""
    base, tensors = model(tmp_path / "base", layers__0__mixer__in_proj=(20, 5))
    lora, updates = adapter(
        tmp_path / "lora", layers__0__mixer__gate_proj=(6, 5), layers__0__mixer__x_proj=(7, 5)
    )
    name = "layers.0.mixer.in_proj.weight"
    change = merge(tmp_path, base, lora)[name] - tensors[name]
    parts = [updates[f"layers.0.mixer.{part}"] for part in ("gate_proj", "x_proj")]
    torch.testing.assert_close(change[:13], torch.cat(parts), atol=1e-5, rtol=1e-5)
    assert not change[13:].any()


def test_a_part_whose_place_is_not_known_is_refused(tmp_path):
    base, _ = model(tmp_path / "base", layers__0__qkv_proj=(16, 5))
    lora, _ = adapter(tmp_path / "lora", layers__0__v_proj=(4, 5))
    with pytest.raises(ConfigError, match=r"v_proj is a part of .*, and its place .* not known"):
        merge(tmp_path, base, lora)


@pytest.mark.parametrize("outputs", [20, 13])
def test_parts_that_do_not_fit_are_refused(tmp_path, outputs):
    base, _ = model(tmp_path / "base", layers__0__qkv_proj=(16, 5))
    lora, _ = adapter(tmp_path / "lora", layers__0__q_proj=(4, 5), layers__0__k_proj=(outputs, 5))
    with pytest.raises(ConfigError, match=r"k_proj \(.*\) at row 4 does not fit into"):
        merge(tmp_path, base, lora)


def test_two_tensors_of_one_spelling_are_not_guessed_between(tmp_path):
    base, _ = model(tmp_path / "base", model__layers__0__attn__q=(4, 4), layers__0__attn__q=(4, 4))
    lora, _ = adapter(tmp_path / "lora", language_model__layers__0__attn__q=(4, 4))
    with pytest.raises(ConfigError, match=r"could be layers\.0\.attn\.q\.weight or model\.layers"):
        merge(tmp_path, base, lora)
