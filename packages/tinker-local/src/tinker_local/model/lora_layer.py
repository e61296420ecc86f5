"""Linear layers with low-rank adapters (Hu et al. 2021, arXiv:2106.09685): y = Wx + (alpha/r) BAx.

The linear layers of a base model are wrapped once, at load. `use_adapters` says which adapter
applies to which rows of a forward pass, so that many adapters share one base model and one batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from attrs import field, frozen
from torch import Tensor, nn

from tinker_local.model.lora_adapter import LoraAdapter, LoraPair


@frozen(kw_only=True, eq=False)
class Segment:
    """Rows [start, end) of a forward pass, which use one adapter."""

    start: int = 0
    end: int | None = None
    """None: to the last row."""
    adapter: LoraAdapter = field(repr=False)


_active: list[Sequence[Segment]] = []


@contextmanager
def use_adapters(segments: Sequence[Segment]) -> Iterator[None]:
    """Inside the block, the rows of each segment go through its adapter in every wrapped layer."""
    _active.append(segments)
    try:
        yield
    finally:
        _active.pop()


def active_segments() -> Sequence[Segment]:
    """The segments of the innermost `use_adapters` block."""
    return _active[-1] if _active else ()


class LoraLinear(nn.Module):
    """A frozen linear layer plus the adapters that are active."""

    def __init__(self, base: nn.Module, path: str) -> None:
        super().__init__()
        self.base = base
        self.path = path

    @property
    def weight(self) -> Tensor:
        """The frozen weight. Some architectures read it."""
        return self.base.weight  # type: ignore[return-value]

    @property
    def bias(self) -> Tensor | None:
        """The frozen bias."""
        return self.base.bias  # type: ignore[return-value]

    def forward(self, x: Tensor) -> Tensor:
        """x is (..., inputs). The rows of segments count its leading axes, flattened."""
        rows = x.reshape(-1, x.shape[-1])
        y: Tensor = self.base(rows)
        for segment in active_segments():
            pair = segment.adapter.pairs.get(self.path)
            if pair is None:
                continue
            whole = segment.start == 0 and segment.end in (None, len(rows))
            # In place: the backward pass of a linear layer does not need its output. A slice of
            # the output would cost autograd a copy; only sampling has several segments.
            _add_low_rank(
                y if whole else y[segment.start : segment.end],
                rows if whole else rows[segment.start : segment.end],
                pair,
                segment.adapter.scale,
            )
        return y.view(*x.shape[:-1], y.shape[-1])


def _add_low_rank(y: Tensor, x: Tensor, pair: LoraPair, scale: float) -> None:
    a, b = pair.a.to(x.dtype), pair.b.to(x.dtype)
    y.addmm_(x @ a.t(), b.t(), alpha=scale)
