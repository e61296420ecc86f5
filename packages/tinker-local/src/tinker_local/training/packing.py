"""Packing datums of different lengths into micro-batches without padding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from attrs import frozen
from torch import Tensor

from tinker_local.training.loss_inputs import LossInputs


@frozen(eq=False)
class MicroBatch:
    """Datums that go through the model in one forward pass, R rows in all."""

    datums: Sequence[LossInputs]
    targets: Tensor
    """Shape (R, K)."""
    inputs: dict[str, Tensor]
    """The other inputs of the loss, (R, K)."""

    @property
    def lengths(self) -> list[int]:
        """The number of rows of each datum."""
        return [len(datum) for datum in self.datums]


def pack(datums: Iterable[LossInputs], max_tokens: int) -> list[list[LossInputs]]:
    """Micro-batches of at most `max_tokens` rows; a longer datum is a micro-batch by itself.

    Sorted by length, so that neighbours of equal length attend in one batched call.
    """
    packs: list[list[LossInputs]] = []
    filled = 0
    for datum in sorted(datums, key=len, reverse=True):
        if not packs or filled + len(datum) > max_tokens:
            packs.append([])
            filled = 0
        packs[-1].append(datum)
        filled += len(datum)
    return packs


def collate(datums: Sequence[LossInputs], device: torch.device) -> MicroBatch:
    """The rows of the datums, one datum after another, on the device."""
    names = datums[0].inputs
    return MicroBatch(
        datums,
        _concatenate([datum.targets for datum in datums]).to(device),
        {n: _concatenate([datum.inputs[n] for datum in datums]).to(device) for n in names},
    )


def _concatenate(tensors: Sequence[Tensor]) -> Tensor:
    """Concatenate (N_i, K_i) along rows; narrower ones get columns of zeros."""
    width = max(t.shape[1] for t in tensors)
    return torch.cat([torch.nn.functional.pad(t, (0, width - t.shape[1])) for t in tensors])
