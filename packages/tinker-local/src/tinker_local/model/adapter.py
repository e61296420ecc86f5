"""Trained weights, frozen: what a sampler samples with."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen
from torch import Tensor

from tinker_local.model.base import BaseModel
from tinker_local.model.lora import LoraWeights, empty_weights, fill, named, targeted
from tinker_local.request_types import LoraSpec


@frozen(eq=False)
class Adapter:
    """Compared by identity: requests that bring the same object share prompts and batches."""

    weights: LoraWeights

    @classmethod
    def from_state(cls, base: BaseModel, spec: LoraSpec, tensors: Mapping[str, Tensor]) -> Adapter:
        """From tensors under PEFT's names, as `Trainer.state(optimizer=False)` gives them.

        RequestError when names or shapes do not fit the model and the spec.
        """
        weights = empty_weights(targeted(base.sites, spec), spec.rank, base.device, base.dtype)
        fill(named(weights), tensors)
        return cls(weights)
