"""Low-rank adapters (Hu et al. 2021, arXiv:2106.09685): y = W x + (alpha / r) B A x.

The base model's linear layers are wrapped once, at load; which adapters apply to which rows of a
pass is said with `adapting`, so that any number of adapters live beside one base model.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

import torch
from attrs import field, frozen
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from tinker_local.errors import RequestError
from tinker_local.request_types import LoraSpec

ALPHA = 32.0
"""Fixed, so that the best learning rate hardly depends on the rank."""

_PREFIX = "base_model.model."
_ALIGNMENT = 16  # floats: 64 bytes, what the matrix kernels like

Kind = Literal["attn", "mlp", "unembed"]


@frozen(kw_only=True)
class Site:
    """A linear layer of the base model that can carry an adapter."""

    path: str
    kind: Kind
    inputs: int
    outputs: int


@frozen(eq=False)
class Pair:
    """One site's adapter: A is (r, inputs), B is (outputs, r)."""

    a: Tensor
    b: Tensor


@frozen(kw_only=True, eq=False)
class LoraWeights:
    """All pairs of one adapter, views of one flat vector."""

    flat: Tensor
    """Shape (n,), float32 when trained, with zeros between the pairs for alignment."""
    pairs: dict[str, Pair]
    """By the path of the site."""
    scale: float


@frozen(kw_only=True, eq=False)
class Segment:
    """Rows [start, end) of a pass belong to one adapter."""

    start: int
    end: int
    weights: LoraWeights = field(repr=False)


_active: list[Sequence[Segment]] = []


@contextmanager
def adapting(segments: Sequence[Segment]) -> Iterator[None]:
    """Inside the block, rows of every wrapped layer go through the adapter of their segment."""
    _active.append(segments)
    try:
        yield
    finally:
        _active.pop()


def active() -> Sequence[Segment]:
    """What the innermost `adapting` block set."""
    return _active[-1] if _active else ()


class AdaptedLinear(nn.Module):
    """A frozen linear layer plus whatever adapters are active."""

    def __init__(self, base: nn.Module, path: str) -> None:
        super().__init__()
        self.base = base
        self.path = path

    @property
    def weight(self) -> Tensor:
        """The frozen weight: some architectures look at it."""
        return self.base.weight  # type: ignore[return-value]

    @property
    def bias(self) -> Tensor | None:
        """The frozen bias."""
        return self.base.bias  # type: ignore[return-value]

    def forward(self, x: Tensor) -> Tensor:
        """x is (..., inputs); its leading axes, flattened, are the rows that segments speak of."""
        rows = x.reshape(-1, x.shape[-1])
        y: Tensor = self.base(rows)
        for segment in active():
            pair = segment.weights.pairs.get(self.path)
            if pair is None:
                continue
            whole = segment.start == 0 and segment.end == len(rows)
            # In place: a linear layer does not need its output to go backward. A slice of the
            # output would cost autograd a copy, and only sampling has several segments.
            _add_low_rank(
                y if whole else y[segment.start : segment.end],
                rows if whole else rows[segment.start : segment.end],
                pair,
                segment.weights.scale,
            )
        return y.view(*x.shape[:-1], y.shape[-1])


def _add_low_rank(y: Tensor, x: Tensor, pair: Pair, scale: float) -> None:
    a, b = pair.a.to(x.dtype), pair.b.to(x.dtype)
    y.addmm_(x @ a.t(), b.t(), alpha=scale)


def wrap_linears(network: nn.Module, unembedding: nn.Module) -> tuple[Site, ...]:
    """Wrap every linear layer of a causal LM in place, the unembedding included.

    A layer counts as attention when a part of its path names attention, else as MLP. An unembedding
    that shares its weight with the input embedding stays shared: only its output is adapted.
    """
    sites = []
    for path, module in list(network.named_modules()):
        if not isinstance(module, nn.Linear | Conv1D):
            continue
        outputs, inputs = module.weight.shape
        if isinstance(module, Conv1D):
            inputs, outputs = outputs, inputs
        kind: Kind = "attn" if "attn" in path.lower() or "attention" in path.lower() else "mlp"
        if module is unembedding:
            kind = "unembed"
        parent, _, name = path.rpartition(".")
        setattr(network.get_submodule(parent), name, AdaptedLinear(module, path))
        sites.append(Site(path=path, kind=kind, inputs=inputs, outputs=outputs))
    return tuple(sites)


def targeted(sites: Sequence[Site], spec: LoraSpec) -> tuple[Site, ...]:
    """The sites that a spec switches on; RequestError when there is none."""
    wanted = {"attn": spec.train_attn, "mlp": spec.train_mlp, "unembed": spec.train_unembed}
    chosen = tuple(site for site in sites if wanted[site.kind])
    for kind, on in wanted.items():
        if on and not any(site.kind == kind for site in sites):
            # Experts of a mixture lie in one tensor in transformers and are no linear layers.
            raise RequestError(f"this model has no linear layer for train_{kind}=True")
    if not chosen:
        raise RequestError("train_attn, train_mlp and train_unembed are all False")
    return chosen


def empty_weights(
    sites: Sequence[Site], rank: int, device: torch.device, dtype: torch.dtype
) -> LoraWeights:
    """Zeros, laid out one pair after another."""
    size = sum(_aligned(rank * site.inputs) + _aligned(site.outputs * rank) for site in sites)
    return lay_out(sites, rank, torch.zeros(size, device=device, dtype=dtype))


def lay_out(sites: Sequence[Site], rank: int, flat: Tensor) -> LoraWeights:
    """A flat vector from `empty_weights`, or one like it, seen as pairs."""
    shapes = [shape for s in sites for shape in ((rank, s.inputs), (s.outputs, rank))]
    pieces = torch.split(flat, [_aligned(math.prod(shape)) for shape in shapes])
    views = [p[: math.prod(shape)].view(shape) for p, shape in zip(pieces, shapes, strict=True)]
    pairs = {s.path: Pair(a, b) for s, a, b in zip(sites, views[::2], views[1::2], strict=True)}
    return LoraWeights(flat=flat, pairs=pairs, scale=ALPHA / rank)


def _aligned(floats: int) -> int:
    return -(-floats // _ALIGNMENT) * _ALIGNMENT


def initialise(weights: LoraWeights, seed: int | None) -> None:
    """A as PEFT draws it (Kaiming-uniform, a = sqrt(5): within 1/sqrt(inputs)), B zero."""
    generator = torch.Generator().manual_seed(
        (secrets.randbits(63) if seed is None else seed) & (2**63 - 1)
    )
    for pair in weights.pairs.values():
        a = torch.empty(pair.a.shape)
        nn.init.kaiming_uniform_(a, a=math.sqrt(5), generator=generator)
        pair.a.copy_(a)
        pair.b.zero_()


def named(weights: LoraWeights) -> dict[str, Tensor]:
    """The tensors by the names that PEFT gives them in an adapter file."""
    return {
        f"{_PREFIX}{path}.lora_{letter}.weight": tensor
        for path, pair in weights.pairs.items()
        for letter, tensor in (("A", pair.a), ("B", pair.b))
    }


def fill(targets: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    """Copy tensors into targets by name; RequestError, and nothing copied, if they do not fit."""
    if missing := sorted(targets.keys() - tensors.keys()):
        raise RequestError(f"the checkpoint lacks {missing[0]} ({len(missing)} missing)")
    if foreign := sorted(tensors.keys() - targets.keys()):
        raise RequestError(f"the checkpoint holds {foreign[0]}, which this model does not train")
    for name, target in targets.items():
        if tensors[name].shape != target.shape:
            raise RequestError(
                f"{name} has shape {tuple(tensors[name].shape)} in the checkpoint, "
                f"{tuple(target.shape)} in the model"
            )
    with torch.no_grad():
        for name, target in targets.items():
            target.copy_(tensors[name])
