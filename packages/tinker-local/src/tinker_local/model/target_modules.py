"""The layers of a causal LM that can carry an adapter, and their kinds.

The kinds are found by structure: attention has projections of queries, keys and values, and a
router has one output for each expert. A router stays frozen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.pytorch_utils import Conv1D

from tinker_local.model.lora_adapter import Kind, TargetModule
from tinker_local.model.lora_experts import LORA_EXPERTS, PATH
from tinker_local.model.lora_layer import LoraLinear

_QUERIES_KEYS_VALUES = ("qkv", "query_key_value")
"""One of them is in the name of a layer that computes queries, keys and values at once."""


def prepare_targets(network: Any, unembedding: nn.Module) -> tuple[TargetModule, ...]:
    """Wrap every linear layer in place, the unembedding included, and find the fused experts.

    Linear layers outside of attention and the unembedding are of kind mlp; the projections of
    state-space layers are among them. An unembedding that shares its weight with the input
    embedding stays shared: the adapter changes its output only.
    """
    attention = _inside(network, _is_attention)
    routers = _routers(network)
    targets: list[TargetModule] = []
    for path, module in list(network.named_modules()):
        if is_fused_experts(module):
            targets += _expert_targets(path, module)
        if not _is_linear(module) or module in routers:
            continue
        outputs, inputs = module.weight.shape
        if isinstance(module, Conv1D):
            inputs, outputs = outputs, inputs
        kind: Kind = "attn" if module in attention else "mlp"
        if module is unembedding:
            kind = "unembed"
        parent, _, name = path.rpartition(".")
        setattr(network.get_submodule(parent), name, LoraLinear(module, path))
        targets.append(TargetModule(path=path, kind=kind, inputs=inputs, outputs=outputs))
    return tuple(targets)


def use_lora_experts(network: nn.Module) -> None:
    """From now on, adapters apply to the fused experts."""
    for path, module in network.named_modules():
        if is_fused_experts(module):
            setattr(module, PATH, path)
            module.config._experts_implementation = LORA_EXPERTS


def _is_linear(module: nn.Module) -> bool:
    """True also for a subclass that computes the same, such as that of Falcon; routers do not."""
    forward = type(module).forward
    if forward in (nn.Linear.forward, Conv1D.forward):
        return True
    return isinstance(module, nn.Linear) and _computes_linear(module)


@torch.no_grad()
def _computes_linear(module: nn.Linear) -> bool:
    """Compare the layer with its weight and bias, on one position."""
    weight = module.weight
    inputs = torch.linspace(-1, 1, weight.shape[1], dtype=weight.dtype, device=weight.device)[None]
    try:
        outputs = module(inputs)
    except Exception:  # noqa: BLE001  # it takes other inputs than a linear layer
        return False
    if not isinstance(outputs, torch.Tensor):
        return False
    expected = nn.functional.linear(inputs, weight, module.bias)
    return outputs.shape == expected.shape and torch.allclose(outputs, expected, rtol=1e-2)


def is_fused_experts(module: nn.Module) -> bool:
    """It follows transformers' experts interface: one parameter holds the weights of all."""
    return all(hasattr(module, name) for name in ("_apply_gate", "has_gate", "is_transposed"))


def _expert_targets(path: str, experts: Any) -> Iterator[TargetModule]:
    """PEFT wraps the parameters of one module one after another; the last one is the outermost."""
    names = ["gate_up_proj" if experts.has_gate else "up_proj", "down_proj"]
    wrapped = [name for name, _ in experts.named_parameters(recurse=False) if name in names]
    for depth, name in enumerate(reversed(wrapped)):
        count, outputs, inputs = getattr(experts, name).shape
        if experts.is_transposed:
            inputs, outputs = outputs, inputs
        yield TargetModule(
            path=f"{path}.{name}",
            kind="mlp",
            inputs=inputs,
            outputs=outputs,
            experts=count,
            peft_path=path + ".base_layer" * depth,
        )


def _inside(network: nn.Module, is_block: Any) -> set[nn.Module]:
    """All modules inside of some blocks."""
    return {inner for block in network.modules() if is_block(block) for inner in block.modules()}


def _is_attention(module: nn.Module) -> bool:
    """Named so, or with projections of queries, keys and values. A layer only contains it."""
    if isinstance(module, GradientCheckpointingLayer):
        return False
    if type(module).__name__.rstrip("0123456789").endswith("Attention"):
        return True
    names = [name for name, child in module.named_children() if _is_linear(child)]
    fused = any(known in name for name in names for known in _QUERIES_KEYS_VALUES)
    return fused or all(any(name[0] == letter for name in names) for letter in "qkv")


def _routers(network: nn.Module) -> set[nn.Module]:
    """The linear layers that weigh experts: beside them, with one output, or one for each.

    A layer of experts is fused or a list of modules of one class.
    """
    found: set[nn.Module] = set()
    for block in network.modules():
        children = dict(block.named_children())
        experts = children.get("experts")
        if experts is None:
            continue
        count = len(experts) if isinstance(experts, nn.ModuleList) else _num_experts(experts)
        own = set(experts.modules())
        for path, module in block.named_modules():
            if _is_linear(module) and module not in own:
                outputs = module.out_features if isinstance(module, nn.Linear) else module.nf
                if outputs in (1, count) or "router" in path:
                    found.add(module)
    return found


def _num_experts(experts: nn.Module) -> int | None:
    shapes = [p.shape for p in experts.parameters() if p.ndim == 3]
    return shapes[0][0] if shapes else None
