"""The experts of a mixture: one tensor for each, or one tensor for all, in several layouts."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from tinker_core import ConfigError
from tinker_weights.adapter.lora_pair import LoraPair
from tinker_weights.base_model.model import BaseModel
from tinker_weights.base_model.tensor_names import ALTERNATING, TensorNames
from tinker_weights.merge.update import Update

_GATE_UP = ("gate_up_proj", "gate_up_proj.weight", "fc1.weight")
_DOWN = ("down_proj", "down_proj.weight", "fc2.weight")
_GATE_UP_OUTSIDE, _DOWN_OUTSIDE = "input_linear.weight", "output_linear.weight"
"""Granite keeps its experts beside `experts`, not in there."""

_TRANSPOSED = ("gpt_oss", "llama4", "llama4_text", "qwen3_vl_moe", "aria", "aria_text")
"""Models that store (experts, inputs, outputs). Asked only where the shape does not tell."""


def expert_updates(
    pair: LoraPair, base: BaseModel, names: TensorNames
) -> Iterator[tuple[str, Update]]:
    """The places of one projection of one expert. Raises ConfigError where there is none."""
    if pair.projection == "gate_up":
        for half in _halves(pair, alternating=base.model_type in ALTERNATING):
            yield from expert_updates(half, base, names)
        return
    single = names.find(f"{pair.module}.{pair.expert}.{pair.projection}_proj.weight")
    if single is not None:
        _check(pair, single, base, (pair.outputs, pair.inputs))
        yield single, Update(a=pair.a, b=pair.b, scale=pair.scale)
        return
    yield _in_tensor_of_all(pair, base, names)


def _halves(pair: LoraPair, *, alternating: bool) -> tuple[LoraPair, LoraPair]:
    middle = pair.outputs // 2
    gate = slice(0, None, 2) if alternating else slice(0, middle)
    up = slice(1, None, 2) if alternating else slice(middle, None)
    return (
        evolve(pair, b=pair.b[gate], projection="gate"),
        evolve(pair, b=pair.b[up], projection="up"),
    )


def _in_tensor_of_all(pair: LoraPair, base: BaseModel, names: TensorNames) -> tuple[str, Update]:
    fused, outside = (
        (_DOWN, _DOWN_OUTSIDE) if pair.projection == "down" else (_GATE_UP, _GATE_UP_OUTSIDE)
    )
    own = f"{pair.module}.{pair.projection}_proj"
    around = pair.module.rpartition(".")[0]
    alone = names.first(own, f"{own}.weight", f"{around}.{pair.projection}_proj.weight")
    tensor = alone or names.first(
        *(f"{pair.module}.{name}" for name in fused), f"{around}.{outside}"
    )
    if tensor is None or len(base.tensors[tensor].shape) != 3:
        raise ConfigError(
            f"the adapter changes the experts {pair.module}, whose {pair.projection} projection "
            f"{base.folder} ({base.architecture}) stores in a layout that is not supported"
        )
    is_half = tensor != alone and pair.projection != "down"
    outputs = pair.outputs * (2 if is_half else 1)
    transposed = _check(pair, tensor, base, (outputs, pair.inputs))
    update = Update(a=pair.a, b=pair.b, scale=pair.scale, expert=pair.expert, transposed=transposed)
    if not is_half:
        return tensor, update
    second = pair.projection == "up"
    if base.model_type in ALTERNATING:
        return tensor, evolve(update, first=int(second), stride=2)
    return tensor, evolve(update, first=pair.outputs if second else 0)


def _check(pair: LoraPair, tensor: str, base: BaseModel, expected: tuple[int, int]) -> bool:
    """True if the tensor is transposed. Raises ConfigError where its shape does not fit."""
    *experts, rows, columns = base.tensors[tensor].shape
    straight, swapped = (rows, columns) == expected, (columns, rows) == expected
    fits = straight or (swapped and bool(experts))
    if not fits or (experts and not 0 <= (pair.expert or 0) < experts[0]):
        raise ConfigError(
            f"{tensor} has shape {base.tensors[tensor].shape}, and the adapter's update of "
            f"{pair.label} is ({pair.outputs}, {pair.inputs})"
        )
    if straight and swapped:
        return bool(experts) and base.model_type in _TRANSPOSED
    return swapped
