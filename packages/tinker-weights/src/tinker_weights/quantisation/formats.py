"""The tensors of a quantised checkpoint, by the method that its config.json names.

    fp8, fbgemm_fp8       float8 with a scale for each tensor, row or block (DeepSeek, Qwen, Llama)
    compressed-tensors    the same, int8 with a scale, or 4-bit and 8-bit integers packed in int32
    modelopt              float8 with one scale (NVIDIA); its NVFP4 is refused
    mxfp4                 float4 in blocks of 32 with a power of two each (gpt-oss)

Every other method is refused by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinker_core import ConfigError
from tinker_weights.quantisation.mxfp4 import Mxfp4Tensor
from tinker_weights.quantisation.packed_integers import PackedTensor
from tinker_weights.quantisation.scaled import ScaledTensor
from tinker_weights.tensor_file.dtypes import FLOATS
from tinker_weights.tensor_file.reader import StoredTensor, Tensor

_SCALES = ("_scale_inv", "_scale")
_NOT_WEIGHTS = ("input_scale", "output_scale", "k_scale", "v_scale", "activation_scale")
"""Scales of activations and of the KV cache. They mean nothing once the weights are plain."""


def plain_tensors(
    config: Mapping[str, Any], stored: Mapping[str, StoredTensor]
) -> dict[str, Tensor]:
    """The weights by name, dequantised where they are quantised.

    Raises ConfigError, which names the method, for a checkpoint that cannot be dequantised here.
    """
    quantisation = quantisation_config(config)
    if quantisation is None:
        _check_plain(stored)
        return dict(stored)
    method = quantisation.get("quant_method")
    match method, quantisation.get("format", quantisation.get("quant_algo")):
        case ("mxfp4", _):
            return _mxfp4(stored)
        case ("compressed-tensors", "pack-quantized"):
            return _packed(stored, quantisation)
        case ("fp8" | "fbgemm_fp8", _) | (
            "compressed-tensors",
            "float-quantized" | "int-quantized" | "naive-quantized",
        ):
            return _scaled(stored, quantisation)
        case ("modelopt", "FP8"):
            return _scaled(stored, quantisation)
    shown = ", ".join(str(part) for part in (method, quantisation.get("format")) if part)
    raise ConfigError(
        f"the base model is quantised with {shown or 'an unnamed method'}, which cannot be "
        "dequantised here: merge into the model that it was quantised from (--base)"
    )


def quantisation_config(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The quantisation section of a config.json; None for plain weights."""
    for owner in (config, config.get("text_config") or {}):
        for key in ("quantization_config", "compression_config"):
            if owner.get(key):
                found: Mapping[str, Any] = owner[key]
                return found
    return None


def _check_plain(stored: Mapping[str, StoredTensor]) -> None:
    for tensor in stored.values():
        if tensor.dtype.startswith("F8") or tensor.name.endswith((".qweight", "_packed")):
            raise ConfigError(
                f"{tensor.file}: {tensor.name} is quantised ({tensor.dtype}), but config.json has "
                "no quantization_config that says how"
            )


def _scaled(
    stored: Mapping[str, StoredTensor], quantisation: Mapping[str, Any]
) -> dict[str, Tensor]:
    block = quantisation.get("weight_block_size")
    plain: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        if _is_scale(name, stored):
            continue
        scale = next((stored[name + end] for end in _SCALES if name + end in stored), None)
        if scale is not None:
            plain[name] = ScaledTensor(tensor, scale, tuple(block) if block else None)
        elif tensor.dtype in FLOATS or not name.endswith("weight"):
            plain[name] = tensor
        else:
            raise ConfigError(f"{tensor.file}: {name} is {tensor.dtype} and has no scale")
    return plain


def _is_scale(name: str, stored: Mapping[str, StoredTensor]) -> bool:
    if name.endswith(_NOT_WEIGHTS):
        return True
    return any(name.endswith(end) and name.removesuffix(end) in stored for end in _SCALES)


def _packed(
    stored: Mapping[str, StoredTensor], quantisation: Mapping[str, Any]
) -> dict[str, Tensor]:
    groups = (quantisation.get("config_groups") or {}).values()
    bits = {group["weights"]["num_bits"] for group in groups}
    if len(bits) != 1:
        raise ConfigError(f"the base model packs its weights in {sorted(bits)} bits, expected one")
    if odd := [name for name in stored if name.endswith(("_zero_point", "_g_idx"))]:
        raise ConfigError(
            f"{odd[0]}: packed weights with zero points or reordered groups are not supported"
        )
    plain: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        weight, _, part = name.rpartition("_")
        if f"{weight}_packed" not in stored:
            plain[name] = tensor
        elif part == "packed":
            needed = [f"{weight}_scale", f"{weight}_shape"]
            if missing := [each for each in needed if each not in stored]:
                raise ConfigError(f"{tensor.file}: {name} is there without {missing[0]}")
            scale, shape = (stored[each] for each in needed)
            plain[weight] = PackedTensor.open(weight, tensor, scale, shape, bits=next(iter(bits)))
    return plain


def _mxfp4(stored: Mapping[str, StoredTensor]) -> dict[str, Tensor]:
    plain: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        if name.endswith("_blocks"):
            weight = name.removesuffix("_blocks")
            plain[weight] = Mxfp4Tensor(weight, tensor, stored[f"{weight}_scales"])
        elif not name.endswith("_scales"):
            plain[name] = tensor
    return plain
