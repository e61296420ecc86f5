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
    def architecture(self) -> str:
        """transformers' model type, such as `llama`."""


class Trainer(Protocol):
    """A LoRA adapter in training."""

    @property
    def layers(self) -> dict[str, int]:
        """The number of trained layers by kind: attn, mlp, experts, unembed."""

    @property
    def target_parameters(self) -> tuple[str, ...]:
        """The trained parameters that hold many experts."""

    def loss(self, request: LossRequest) -> LossResult:
        """The loss of the data. Unless `forward_only`, accumulate its gradient."""

    def optim_step(self, params: AdamParams) -> dict[str, float]:
        """Take a step with the accumulated gradient; its metrics."""

    def adapter(self) -> Adapter:
        """A frozen copy of the adapter to sample with."""

    def state(self, *, optimizer: bool) -> dict[str, torch.Tensor]:
        """Copies of the tensors to store, with the optimizer's under `optimizer.` if asked."""

    def load_state(self, tensors: Tensors, *, optimizer: bool) -> None:
        """Replace the weights, and the optimizer's state if asked; otherwise reset that."""


class Sampler(Protocol):
    """All open sample requests of one base model."""

    @property
    def is_idle(self) -> bool:
        """No request is open."""

    def add(self, request: SampleRequest, adapter: Adapter | None) -> SequenceGroup:
        """Queue a request. RequestError when it cannot be served."""

    def step(self) -> list[tuple[SequenceGroup, SampleResult | RequestError]]:
        """Compute the next tokens of the open requests; the requests that finished."""

    def cancel(self, group: SequenceGroup) -> None:
        """Drop a request."""


class Backend(Protocol):
    """Makes the others."""

    def warm_up(self) -> None:
        """Import now what the first request would import. Never raises."""

    def load_model(self, folder: Path, name: str) -> BaseModel:
        """Load a base model."""

    def make_trainer(self, base: BaseModel, spec: LoraSpec) -> Trainer:
        """A new adapter and its trainer."""

    def make_sampler(self, base: BaseModel) -> Sampler:
        """A sampler without requests."""

    def load_adapter(self, base: BaseModel, spec: LoraSpec, tensors: Tensors) -> Adapter:
        """An adapter to sample with, from the tensors of a checkpoint."""
