"""The weights of a LoRA adapter: a pair of matrices for each target, in one flat vector."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from attrs import Factory, frozen
from torch import Tensor, nn

from tinker_local.errors import RequestError
from tinker_local.request_types import LORA_ALPHA, LoraSpec

_PREFIX = "base_model.model."
_ALIGNMENT = 16
"""In floats. Matrix kernels are fastest on rows that start at multiples of 64 bytes."""

Kind = Literal["attn", "mlp", "unembed"]


@frozen(kw_only=True)
class TargetModule:
    """A linear layer, or the fused weights of many experts, that can carry an adapter."""

    path: str
    """Of the layer, or of the parameter that holds the experts."""
    kind: Kind
    inputs: int
    outputs: int
    experts: int | None = None
    """The number of experts of a fused weight."""
    peft_path: str = Factory(lambda self: self.path, takes_self=True)
    """PEFT's name for it. For a parameter that is the path of the module that wraps it."""


@frozen(eq=False)
class LoraPair:
    """The adapter of one target: A is (r, inputs), B is (outputs, r).

    With E experts they are (E * r, inputs), expert after expert, and (outputs, r * E), in which
    neighbouring columns belong to different experts. That is PEFT's layout of `target_parameters`.
    """

    a: Tensor
    b: Tensor

    def by_expert(self, experts: int) -> tuple[Tensor, Tensor]:
        """A (E, r, inputs) and B (E, outputs, r)."""
        a = self.a.view(experts, -1, self.a.shape[1])
        return a, self.b.view(len(self.b), -1, experts).permute(2, 0, 1)


@frozen(kw_only=True, eq=False)
class LoraAdapter:
    """All pairs of one adapter, as views of one flat vector.

    Compared by identity: requests that use the same object share prefixes and batches.
    """

    flat: Tensor
    """Shape (n,). Zeros between the pairs align them."""
    pairs: dict[str, LoraPair]
    """By the path of the target."""
    peft_paths: dict[str, str]
    """By the path of the target."""
    scale: float

    def tensors(self) -> dict[str, Tensor]:
        """The matrices by the names that PEFT gives them in an adapter file."""
        return {
            f"{_PREFIX}{self.peft_paths[path]}.lora_{letter}.weight": matrix
            for path, pair in self.pairs.items()
            for letter, matrix in (("A", pair.a), ("B", pair.b))
        }


def select_targets(modules: Sequence[TargetModule], spec: LoraSpec) -> tuple[TargetModule, ...]:
    """The targets that a spec trains. RequestError when there is none."""
    wanted = {"attn": spec.train_attn, "mlp": spec.train_mlp, "unembed": spec.train_unembed}
    if not any(wanted.values()):
        raise RequestError("train_attn, train_mlp and train_unembed are all False")
    selected = tuple(module for module in modules if wanted[module.kind])
    if not selected:
        options = ", ".join(f"train_{kind}=True" for kind, on in wanted.items() if on)
        kinds = ", ".join(count_targets(modules))
        raise RequestError(f"{options}: this model has layers of other kinds only ({kinds})")
    return selected


def count_targets(modules: Sequence[TargetModule]) -> dict[str, int]:
    """The number of layers by kind: attn, mlp, experts, unembed. The experts of a layer are one."""
    layers: dict[str, set[str]] = {}
    for module in modules:
        kind: str = module.kind
        path = module.path
        if module.experts is not None:
            kind, path = "experts", path.rpartition(".")[0]
        layers.setdefault(kind, set()).add(path)
    return {kind: len(paths) for kind, paths in layers.items()}


def zero_adapter(
    targets: Sequence[TargetModule], rank: int, device: torch.device, dtype: torch.dtype
) -> LoraAdapter:
    """An adapter of zeros."""
    size = sum(_aligned(math.prod(shape)) for shape in _shapes(targets, rank))
    return adapter_from_flat(targets, rank, torch.zeros(size, device=device, dtype=dtype))


def adapter_from_flat(targets: Sequence[TargetModule], rank: int, flat: Tensor) -> LoraAdapter:
    """A flat vector, laid out as that of `zero_adapter`, as an adapter."""
    shapes = _shapes(targets, rank)
    parts = torch.split(flat, [_aligned(math.prod(shape)) for shape in shapes])
    views = [p[: math.prod(shape)].view(shape) for p, shape in zip(parts, shapes, strict=True)]
    pairs = {
        target.path: LoraPair(a, b)
        for target, a, b in zip(targets, views[::2], views[1::2], strict=True)
    }
    peft_paths = {target.path: target.peft_path for target in targets}
    return LoraAdapter(flat=flat, pairs=pairs, peft_paths=peft_paths, scale=LORA_ALPHA / rank)


def _shapes(targets: Sequence[TargetModule], rank: int) -> list[tuple[int, int]]:
    columns = [rank * (target.experts or 1) for target in targets]
    return [
        shape
        for target, r in zip(targets, columns, strict=True)
        for shape in ((r, target.inputs), (target.outputs, r))
    ]


def _aligned(floats: int) -> int:
    return -(-floats // _ALIGNMENT) * _ALIGNMENT


def initialise(adapter: LoraAdapter, seed: int | None) -> None:
    """PEFT's initialisation: A is Kaiming-uniform with a = sqrt(5), B is zero."""
    generator = torch.Generator().manual_seed(
        (secrets.randbits(63) if seed is None else seed) & (2**63 - 1)
    )
    for pair in adapter.pairs.values():
        a = torch.empty(pair.a.shape)
        nn.init.kaiming_uniform_(a, a=math.sqrt(5), generator=generator)
        pair.a.copy_(a)
        pair.b.zero_()


def copy_tensors(targets: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    """Copy the tensors of a checkpoint into targets of the same names.

    RequestError, with nothing copied, when names or shapes differ.
    """
    if missing := sorted(targets.keys() - tensors.keys()):
        raise RequestError(f"the checkpoint lacks {missing[0]} ({len(missing)} missing)")
    if unknown := sorted(tensors.keys() - targets.keys()):
        raise RequestError(f"the checkpoint holds {unknown[0]}, which this model does not train")
    for name, target in targets.items():
        if tensors[name].shape != target.shape:
            raise RequestError(
                f"{name} has shape {tuple(tensors[name].shape)} in the checkpoint, "
                f"{tuple(target.shape)} in the model"
            )
    with torch.no_grad():
        for name, target in targets.items():
            target.copy_(tensors[name])
