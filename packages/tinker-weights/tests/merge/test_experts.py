"""Adapters on the experts of a mixture, in the layouts of PEFT and of the hosted service."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM
from weights_architectures import MIXTURES
from weights_engine import TOKENS

from tinker_weights.adapter.read import read_adapter
from tinker_weights.base_model.model import open_base_model
from tinker_weights.merge.merge import merge_adapter

RANK, ALPHA = 3, 6
ALTERNATING = ("gpt_oss",)
"""Models whose experts keep the rows of gate and up in turns."""


def load(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def experts_of(model: Any) -> dict[str, Any]:
    """The modules that hold all experts of a layer, by path."""
    return {
        path: module
        for path, module in model.named_modules()
        if path.endswith(".experts") and hasattr(module, "gate_up_proj")
    }


def is_transposed(module: Any) -> bool:
    """Whether the parameters are (experts, inputs, outputs): transformers tells PEFT so."""
    return bool(getattr(module, "is_transposed", False))


def merged(adapter: Path, base: Path, folder: Path) -> Path:
    return merge_adapter(read_adapter(adapter), open_base_model(str(base)), folder).folder


@pytest.mark.parametrize("name", MIXTURES)
def test_target_parameters_of_peft_are_merged_as_peft_computes_them(
    save_model, computed, tmp_path, name
):
    base = save_model(MIXTURES[name])
    config = peft.LoraConfig(
        r=RANK, lora_alpha=ALPHA, target_modules=[], bias="none",
        target_parameters=["experts.gate_up_proj", "experts.down_proj"],
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PEFT's, about names in transformers
        adapted = peft.get_peft_model(load(base), config).eval()
    torch.manual_seed(0)
    for path, parameter in adapted.named_parameters():
        if "lora_" in path:
            torch.nn.init.normal_(parameter, std=0.1)
    adapted.save_pretrained(tmp_path / "adapter")
    with torch.no_grad():
        expected = adapted(TOKENS[None], use_cache=False).logits[0].numpy()
    assert np.abs(expected - computed(base)).max() > 1e-3
    logits = computed(merged(tmp_path / "adapter", base, tmp_path / "merged"))
    np.testing.assert_allclose(logits, expected, atol=1e-5)


@pytest.mark.parametrize("name", MIXTURES)
@pytest.mark.parametrize("shared", [True, False], ids=["one matrix for all", "each its own"])
def test_the_hosted_services_experts_are_merged_one_by_one(
    save_model, computed, tmp_path, name, shared
):
    base = save_model(MIXTURES[name])
    model = load(base)
    tensors, generator = {}, torch.Generator().manual_seed(0)
    for path, module in experts_of(model).items():
        for projection in ("w1", "w3", "w2"):
            weight = part_of(module, projection, MIXTURES[name].model_type)
            count, outputs, inputs = weight.shape
            # What the experts' common input or output goes through is one matrix for all of them.
            few = 1 if shared else count
            a = torch.randn(count if projection == "w2" else few, RANK, inputs, generator=generator)
            b = torch.randn(
                few if projection == "w2" else count, outputs, RANK, generator=generator
            )
            tensors[f"base_model.model.{path}.{projection}.lora_A.weight"] = a * 0.1
            tensors[f"base_model.model.{path}.{projection}.lora_B.weight"] = b * 0.1
            for expert in range(count):
                pair_a, pair_b = a[expert % len(a)] * 0.1, b[expert % len(b)] * 0.1
                weight[expert] += ALPHA / RANK * (pair_b @ pair_a)  # a view of the parameter
    adapter = write_adapter(tmp_path / "adapter", tensors)
    with torch.no_grad():
        expected = model(TOKENS[None], use_cache=False).logits[0].numpy()
    assert np.abs(expected - computed(base)).max() > 1e-3
    logits = computed(merged(adapter, base, tmp_path / "merged"))
    np.testing.assert_allclose(logits, expected, atol=1e-5)


def part_of(module: Any, projection: str, model_type: str) -> torch.Tensor:
    """A view (experts, outputs, inputs) of one projection of all experts."""
    weight = (module.down_proj if projection == "w2" else module.gate_up_proj).data
    if is_transposed(module):
        weight = weight.transpose(1, 2)
    if projection == "w2":
        return weight
    if model_type in ALTERNATING:
        return weight[:, int(projection == "w3") :: 2]
    half = weight.shape[1] // 2
    return weight[:, half:] if projection == "w3" else weight[:, :half]


def write_adapter(folder: Path, tensors: dict[str, torch.Tensor], **config: Any) -> Path:
    folder.mkdir()
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()},
              folder / "adapter_model.safetensors")  # fmt: skip
    settings = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, **config}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    return folder
