"""The interface of the backend, which computes. `TorchBackend` implements it.

All methods are called on the worker thread.
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
"""Weights to sample with; opaque to the service."""
SequenceGroup = Any
"""One sample request in a sampler; hashable and opaque to the service."""


class BaseModel(Protocol):
    """A loaded base model."""

    @property
    def architecture(self) -> str: ...
    @property
    def context_length(self) -> int: ...


class Trainer(Protocol):
    """A LoRA adapter in training."""

    def loss(self, request: LossRequest) -> LossResult: ...
    def optim_step(self, params: AdamParams) -> dict[str, float]: ...
    def adapter(self) -> Adapter: ...
    def state(self, *, optimizer: bool) -> dict[str, torch.Tensor]: ...
    def load_state(self, tensors: Tensors, *, optimizer: bool) -> None: ...


class Sampler(Protocol):
    """All open sample requests of one base model."""

    @property
    def is_idle(self) -> bool: ...
    def add(self, request: SampleRequest, adapter: Adapter | None) -> SequenceGroup: ...
    def step(self) -> list[tuple[SequenceGroup, SampleResult | RequestError]]: ...
    def cancel(self, group: SequenceGroup) -> None: ...


class Backend(Protocol):
    """Makes the others."""

    def warm_up(self) -> None:
        """Import now what the first request would import. Never raises."""

    def load_model(self, folder: Path, name: str) -> BaseModel: ...
    def make_trainer(self, base: BaseModel, spec: LoraSpec) -> Trainer: ...
    def make_sampler(self, base: BaseModel) -> Sampler: ...
    def load_adapter(self, base: BaseModel, spec: LoraSpec, tensors: Tensors) -> Adapter: ...
