"""The text tower of a vision model: the merged folder is the whole model, vision included."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText
from weights_architectures import VISION
from weights_engine import TOKENS

from tinker_weights.adapter.read import read_adapter
from tinker_weights.base_model.model import open_base_model
from tinker_weights.merge.merge import merge_adapter

TEXT_LAYERS = (
    r".*language_model\.layers.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj|"
    r"in_proj_qkv|in_proj_z|out_proj)|lm_head"
)


@pytest.fixture
def base(tmp_path, request) -> Path:
    """A random vision model."""
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(VISION[request.param])
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.1)
    model.tie_weights()
    model.save_pretrained(tmp_path / "base")
    return Path(tmp_path / "base")


def train_with_peft(base: Path, folder: Path) -> Any:
    """An adapter of PEFT with random matrices on the text tower; its logits."""
    model = AutoModelForImageTextToText.from_pretrained(base, dtype=torch.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PEFT's, about tied weights
        config = peft.LoraConfig(r=3, lora_alpha=6, target_modules=TEXT_LAYERS)
        adapted = peft.get_peft_model(model, config).eval()
        torch.manual_seed(1)
        for path, parameter in adapted.named_parameters():
            if "lora_" in path:
                torch.nn.init.normal_(parameter, std=0.1)
        adapted.save_pretrained(folder)
    with torch.no_grad():
        return adapted(input_ids=TOKENS[None], use_cache=False).logits[0].numpy()


def as_the_hosted_service_names_it(key: str) -> str:
    """It knows no language_model, calls the unembedding its own name, and splits in_proj_qkv."""
    key = key.replace("model.language_model.", "model.")
    return key.replace("base_model.model.lm_head.", "base_model.model.model.unembed_tokens.")


@pytest.mark.parametrize("base", VISION, indirect=True)
@pytest.mark.parametrize("hosted", [False, True], ids=["PEFT's names", "the hosted service's"])
def test_the_merged_vision_model_computes_what_peft_computes(base, computed, tmp_path, hosted):
    expected = train_with_peft(base, tmp_path / "adapter")
    if hosted:
        file = tmp_path / "adapter" / "adapter_model.safetensors"
        tensors = {as_the_hosted_service_names_it(k): v for k, v in load_file(file).items()}
        save_file(tensors, file)
    model = open_base_model(str(base))
    merged = merge_adapter(read_adapter(tmp_path / "adapter"), model, tmp_path / "merged").folder
    logits = computed(merged, AutoModelForImageTextToText)
    assert np.abs(expected - computed(base, AutoModelForImageTextToText)).max() > 0.01
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    before, after = (load_file(folder / "model.safetensors") for folder in (base, merged))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert not any("vis" in name or "projector" in name for name in changed)


@pytest.mark.parametrize("base", ["gemma3 tied", "qwen3_5 tied"], indirect=True)
def test_the_merged_vision_model_computes_what_the_engine_computes(base, train, computed, tmp_path):
    """The engine loads the language model alone, or the whole model without images."""
    checkpoint = train(base)
    model = open_base_model(str(base))
    merged = merge_adapter(read_adapter(checkpoint.adapter), model, tmp_path / "merged")
    assert merged.untied
    for loader in (AutoModelForCausalLM, AutoModelForImageTextToText):
        logits = computed(merged.folder, loader)
        np.testing.assert_allclose(logits, checkpoint.logits, atol=1e-5)
