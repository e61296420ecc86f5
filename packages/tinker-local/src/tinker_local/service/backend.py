"""What the service asks of the compute side; the torch modules provide it.

Everything here is called from the worker's thread only.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tinker_local.errors import RequestError
from tinker_local.request_types import (
    AdamParams,
    LoraSpec,
    LossRequest,
    LossResult,
    SampleRequest,
    SampleResult,
)

if TYPE_CHECKING:
    import torch

Tensors = Mapping[str, "torch.Tensor"]
Adapter = Any
"""Weights to sample with; opaque here."""
Ticket = Any
"""One sample request inside a sampler; hashable, opaque here."""


class Base(Protocol):
    """A loaded base model."""

    @property
    def architecture(self) -> str: ...
    @property
    def context_length(self) -> int: ...


class Trainer(Protocol):
    """One LoRA in training."""

    def loss(self, request: LossRequest) -> LossResult: ...
    def optim_step(self, params: AdamParams) -> dict[str, float]: ...
    def adapter(self) -> Adapter: ...
    def state(self, *, optimizer: bool) -> dict[str, torch.Tensor]: ...
    def load_state(self, tensors: Tensors, *, optimizer: bool) -> None: ...


class Sampler(Protocol):
    """All open sample requests of one base model."""

    @property
    def idle(self) -> bool: ...
    def add(self, request: SampleRequest, adapter: Adapter | None) -> Ticket: ...
    def step(self) -> list[tuple[Ticket, SampleResult | RequestError]]: ...
    def cancel(self, ticket: Ticket) -> None: ...


class Compute(Protocol):
    """Makes the others."""

    def warm(self) -> None:
        """Pay now what the first call would pay (imports); never raises."""

    def load(self, folder: Path, name: str) -> Base: ...
    def trainer(self, base: Base, spec: LoraSpec) -> Trainer: ...
    def sampler(self, base: Base) -> Sampler: ...
    def adapter(self, base: Base, spec: LoraSpec, tensors: Tensors) -> Adapter: ...
