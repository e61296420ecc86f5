"""The matrices of one module, whatever layout the file has."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen

from tinker_weights.tensor_file.dtypes import Array

Projection = Literal["gate", "up", "gate_up", "down"]
"""A matrix of an expert. `gate_up` holds both, as the fused tensor in transformers does."""


@frozen(kw_only=True, eq=False)
class LoraPair:
    """The update `scale * b @ a` of one linear layer, or of one projection of one expert."""

    module: str
    """Its path in the model, without `base_model.model.`; for an expert, that of all experts."""
    a: Array = field(repr=False)
    """Shape (rank, inputs), float32."""
    b: Array = field(repr=False)
    """Shape (outputs, rank), float32."""
    scale: float
    expert: int | None = None
    projection: Projection | None = None
    """Set together with `expert`."""
    is_embedding: bool = False
    """The update of an embedding, whose weight is (inputs, outputs)."""

    @property
    def label(self) -> str:
        """The pair's name in messages."""
        if self.expert is None:
            return self.module
        return f"{self.module}[{self.expert}].{self.projection}"

    @property
    def outputs(self) -> int:
        return int(self.b.shape[0])

    @property
    def inputs(self) -> int:
        return int(self.a.shape[1])
