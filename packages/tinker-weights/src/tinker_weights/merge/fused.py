"""Layers that are one tensor on one side and several on the other.

Concatenated along the outputs in a fixed order: `qkv_proj` is `q_proj`, `k_proj`, `v_proj`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tinker_core import ConfigError
from tinker_weights.adapter.lora_pair import LoraPair
from tinker_weights.base_model.model import BaseModel
from tinker_weights.base_model.tensor_names import FUSED_PARTS, TensorNames
from tinker_weights.merge.update import Update

Placed = Iterator[tuple[str, Update]]


def fused_updates(
    pair: LoraPair, pairs: Mapping[str, LoraPair], base: BaseModel, names: TensorNames
) -> Placed | None:
    """The places of a pair that is a part of a tensor, or covers several; None for neither.

    `pairs` are the adapter's, by module: the sizes of the parts before this one are theirs.
    """
    parent, _, name = pair.module.rpartition(".")
    if name in FUSED_PARTS:
        tensors = [names.find(f"{parent}.{part}.weight") for part in FUSED_PARTS[name]]
        if None not in tensors:
            return _split(pair, [tensor for tensor in tensors if tensor is not None], base)
    for whole, parts in FUSED_PARTS.items():
        if name in parts:
            tensor = names.find(f"{parent}.{whole}.weight")
            if tensor is not None:
                before = [f"{parent}.{part}" for part in parts[: parts.index(name)]]
                return _part(pair, tensor, before, pairs, base)
    return None


def _split(pair: LoraPair, tensors: list[str], base: BaseModel) -> Placed:
    sizes = [base.tensors[tensor].shape[0] for tensor in tensors]
    if sum(sizes) != pair.outputs:
        raise ConfigError(
            f"the adapter's update of {pair.module} has {pair.outputs} outputs; "
            f"{', '.join(tensors)} have {sum(sizes)}"
        )
    start = 0
    for tensor, size in zip(tensors, sizes, strict=True):
        b = pair.b[start : start + size]
        yield tensor, Update(a=pair.a, b=b, scale=pair.scale)
        start += size


def _part(
    pair: LoraPair,
    tensor: str,
    before: list[str],
    pairs: Mapping[str, LoraPair],
    base: BaseModel,
) -> Placed:
    if missing := [module for module in before if module not in pairs]:
        raise ConfigError(
            f"{pair.module} is a part of {tensor}, and its place in there is not known, because "
            f"the adapter does not change {missing[0]} too"
        )
    first = sum(pairs[module].outputs for module in before)
    shape = base.tensors[tensor].shape
    if first + pair.outputs > shape[0] or pair.inputs != shape[1]:
        raise ConfigError(
            f"{pair.module} ({pair.outputs}, {pair.inputs}) at row {first} does not fit into "
            f"{tensor} {shape}"
        )
    yield tensor, Update(a=pair.a, b=pair.b, scale=pair.scale, first=first)
