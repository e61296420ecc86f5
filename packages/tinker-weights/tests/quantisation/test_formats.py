"""Quantised checkpoints beside the code of those who make them, and by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers.integrations.mxfp4 import convert_moe_packed_tensors

from tinker_core import ConfigError
from tinker_weights.base_model.model import open_base_model
from tinker_weights.tensor_file.reader import read_array

FP8 = torch.float8_e4m3fn


def checkpoint(folder: Path, quantisation: dict[str, Any] | None, **tensors: torch.Tensor) -> Path:
    """A folder with the tensors of a quantised model; `__` stands for a dot in names."""
    folder.mkdir(exist_ok=True)
    named = {name.replace("__", "."): tensor for name, tensor in tensors.items()}
    save_file({"norm.weight": torch.ones(4).bfloat16(), **named}, folder / "model.safetensors")
    config = {"model_type": "x"} | ({"quantization_config": quantisation} if quantisation else {})
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def plain(folder: Path, name: str) -> np.ndarray:
    """A dequantised tensor, also read in two parts of the first axis."""
    tensor = open_base_model(str(folder)).tensors[name]
    whole = read_array(tensor).astype(np.float32)
    half = tensor.shape[0] // 2
    parts = [tensor.rows(0, half), tensor.rows(half, tensor.shape[0])]
    assert np.array_equal(np.concatenate(parts).astype(np.float32), whole)
    assert whole.shape == tensor.shape
    return whole


def test_float8_in_blocks_is_multiplied_block_by_block(tmp_path):
    torch.manual_seed(0)
    weight, scale = torch.randn(10, 7).to(FP8), torch.rand(3, 2)
    method = {"quant_method": "fp8", "weight_block_size": [4, 4]}
    folder = checkpoint(tmp_path, method, q__weight=weight, q__weight_scale_inv=scale)
    found = plain(folder, "q.weight")
    for row in range(10):
        for column in range(7):
            expected = weight[row, column].float() * scale[row // 4, column // 4]
            assert found[row, column] == expected


def test_float8_experts_in_one_tensor_have_blocks_each(tmp_path):
    weight, scale = torch.randn(2, 8, 6).to(FP8), torch.rand(2, 2, 2)
    method = {"quant_method": "fp8", "weight_block_size": [4, 4]}
    folder = checkpoint(tmp_path, method, up__weight=weight, up__weight_scale_inv=scale)
    expected = weight.float() * scale.repeat_interleave(4, 1).repeat_interleave(4, 2)[:, :, :6]
    assert np.array_equal(plain(folder, "up.weight"), expected.numpy())


@pytest.mark.parametrize(
    ("method", "scale"),
    [
        ({"quant_method": "compressed-tensors", "format": "float-quantized"}, torch.rand(6, 1)),
        ({"quant_method": "compressed-tensors", "format": "float-quantized"}, torch.rand(1)),
        ({"quant_method": "fbgemm_fp8"}, torch.rand(6, 1)),
        ({"quant_method": "modelopt", "quant_algo": "FP8"}, torch.tensor(0.3)),
    ],
    ids=["a row", "the tensor", "FBGEMM", "ModelOpt"],
)
def test_float8_with_a_scale_for_rows_or_the_tensor(tmp_path, method, scale):
    weight = torch.randn(6, 5).to(FP8)
    folder = checkpoint(
        tmp_path, method, q__weight=weight, q__weight_scale=scale, q__input_scale=torch.tensor(2.0)
    )
    assert np.allclose(plain(folder, "q.weight"), (weight.float() * scale).numpy())
    assert set(open_base_model(str(folder)).tensors) == {"q.weight", "norm.weight"}


def test_8_bit_integers_with_a_scale_for_each_row(tmp_path):
    weight, scale = torch.randint(-127, 128, (6, 5), dtype=torch.int8), torch.rand(6, 1)
    method = {"quant_method": "compressed-tensors", "format": "int-quantized"}
    folder = checkpoint(tmp_path, method, q__weight=weight, q__weight_scale=scale)
    assert np.allclose(plain(folder, "q.weight"), (weight.float() * scale).numpy())


@pytest.mark.parametrize("bits", [4, 8])
def test_integers_packed_into_int32_come_back(tmp_path, bits):
    """Packed here by the rule of the format: the first value in the lowest bits."""
    outputs, inputs, group = 4, 24, 8
    rng = np.random.default_rng(0)
    values = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (outputs, inputs))
    per_word = 32 // bits
    packed = np.zeros((outputs, inputs // per_word), np.uint32)
    for row in range(outputs):
        for column in range(inputs):
            shifted = int(values[row, column]) + 2 ** (bits - 1)
            packed[row, column // per_word] |= np.uint32(shifted << bits * (column % per_word))
    scale = torch.rand(outputs, inputs // group)
    method = {
        "quant_method": "compressed-tensors", "format": "pack-quantized",
        "config_groups": {"group_0": {"weights": {"num_bits": bits}}},
    }  # fmt: skip
    folder = checkpoint(
        tmp_path, method, q__weight_packed=torch.from_numpy(packed.view(np.int32)),
        q__weight_scale=scale, q__weight_shape=torch.tensor([outputs, inputs]),
    )  # fmt: skip
    expected = values * scale.numpy().repeat(group, axis=1)
    assert np.allclose(plain(folder, "q.weight"), expected)


def test_mxfp4_is_what_transformers_makes_of_it(tmp_path):
    torch.manual_seed(0)
    blocks = torch.randint(0, 256, (3, 8, 2, 16), dtype=torch.uint8)
    scales = torch.randint(110, 140, (3, 8, 2), dtype=torch.uint8)
    method = {"quant_method": "mxfp4"}
    folder = checkpoint(tmp_path, method, up_blocks=blocks, up_scales=scales)
    expected = convert_moe_packed_tensors(blocks, scales, dtype=torch.float32)
    assert np.array_equal(plain(folder, "up"), expected.numpy())


@pytest.mark.parametrize(
    ("method", "named"),
    [
        ({"quant_method": "gptq", "bits": 4}, "gptq"),
        ({"quant_method": "awq"}, "awq"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes"),
        ({"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized"}, "nvfp4"),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "modelopt"),
        ({"quant_method": "hqq"}, "hqq"),
        ({"quant_method": "aqlm"}, "aqlm"),
        ({"quant_method": "auto-round"}, "auto-round"),
        ({"quant_method": "quark"}, "quark"),
        ({"bits": 4}, "an unnamed method"),
    ],
)
def test_what_cannot_be_dequantised_is_refused_by_its_name(tmp_path, method, named):
    folder = checkpoint(tmp_path, method, q__qweight=torch.zeros(2, 2, dtype=torch.int32))
    with pytest.raises(ConfigError, match=f"{named}.*cannot be dequantised here"):
        open_base_model(str(folder))


def test_packed_weights_with_zero_points_are_refused(tmp_path):
    method = {
        "quant_method": "compressed-tensors", "format": "pack-quantized",
        "config_groups": {"group_0": {"weights": {"num_bits": 4}}},
    }  # fmt: skip
    folder = checkpoint(
        tmp_path, method, q__weight_packed=torch.zeros(2, 2, dtype=torch.int32),
        q__weight_zero_point=torch.zeros(2, 1, dtype=torch.int32),
    )  # fmt: skip
    with pytest.raises(ConfigError, match="zero points"):
        open_base_model(str(folder))


def test_float8_without_a_config_that_says_how_is_refused(tmp_path):
    folder = checkpoint(tmp_path, None, q__weight=torch.randn(4, 4).to(FP8))
    with pytest.raises(ConfigError, match=r"q\.weight is quantised"):
        open_base_model(str(folder))


def test_float8_without_its_scale_is_refused(tmp_path):
    folder = checkpoint(tmp_path, {"quant_method": "fp8"}, q__weight=torch.randn(4, 4).to(FP8))
    with pytest.raises(ConfigError, match=r"q\.weight is F8_E4M3 and has no scale"):
        open_base_model(str(folder))


def test_a_scale_that_does_not_cover_its_weight_is_refused(tmp_path):
    folder = checkpoint(
        tmp_path, {"quant_method": "fp8", "weight_block_size": [4, 4]},
        q__weight=torch.randn(8, 8).to(FP8), q__weight_scale_inv=torch.rand(3, 2),
    )  # fmt: skip
    tensor = open_base_model(str(folder)).tensors["q.weight"]
    with pytest.raises(ConfigError, match=r"does not cover q\.weight"):
        tensor.rows(0, 8)
