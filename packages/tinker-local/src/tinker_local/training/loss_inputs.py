"""The datums of a loss request, checked and laid out in rows before anything is computed."""

from __future__ import annotations

import numpy as np
import torch
from attrs import frozen
from numpy.typing import NDArray
from torch import Tensor

from tinker_local.errors import RequestError
from tinker_local.model.base import BaseModel
from tinker_local.request_types import Datum, LossRequest
from tinker_local.training.losses import Loss


@frozen(kw_only=True, eq=False)
class LossInputs:
    """One checked datum: N rows, each with K targets (1 unless its targets are soft)."""

    index: int
    """Its place in the request."""
    tokens: Tensor
    """Shape (N,)."""
    targets: Tensor
    """Shape (N, K)."""
    inputs: dict[str, Tensor]
    """The other inputs of the loss, float32, (N, K)."""
    shape: tuple[int, ...]
    """The shape of the datum's `target_tokens`."""

    def __len__(self) -> int:
        return len(self.tokens)


def check_request(request: LossRequest, loss: Loss, base: BaseModel) -> list[LossInputs]:
    """All datums as rows. RequestError names the datum, the field, the value and the limit."""
    if not request.data:
        raise RequestError("data is empty: a loss needs at least one datum")
    return [_check_datum(i, datum, loss, base) for i, datum in enumerate(request.data)]


def _check_datum(index: int, datum: Datum, loss: Loss, base: BaseModel) -> LossInputs:
    place = f"datum {index}"
    length = len(datum.tokens)
    if length == 0:
        raise RequestError(f"{place}: model_input is empty")
    if length > base.context_length:
        raise RequestError(
            f"{place}: {length} tokens exceed the context length {base.context_length}"
        )
    base.check_tokens(datum.tokens, f"{place}: model_input")
    _check_names(place, datum, loss)
    targets = _check_targets(place, datum, loss, base)
    inputs = {
        name: _check_input(f"{place}: {name}", datum.inputs[name], targets.shape)
        for name in (*loss.inputs, *loss.optional_inputs)
        if name in datum.inputs
    }
    for name, value in loss.optional_inputs.items():
        inputs.setdefault(name, np.full(targets.shape, value, dtype=np.float32))
    for name in loss.nonzero_inputs:
        if not inputs[name].any():
            raise RequestError(f"{place}: {name} is zero everywhere")
    return LossInputs(
        index=index,
        tokens=torch.from_numpy(datum.tokens.astype(np.int64)),
        targets=torch.from_numpy(targets.reshape(length, -1)),
        inputs={k: torch.from_numpy(v.reshape(length, -1)) for k, v in inputs.items()},
        shape=targets.shape,
    )


def _check_names(place: str, datum: Datum, loss: Loss) -> None:
    required = ("target_tokens", *loss.inputs)
    known = (*required, *loss.optional_inputs)
    for name in required:
        if name not in datum.inputs:
            raise RequestError(f"{place}: loss {loss.name!r} needs {name!r}, which is missing")
    for name in datum.inputs:
        if name not in known:
            raise RequestError(
                f"{place}: loss {loss.name!r} has no input {name!r}; its inputs are: "
                f"{', '.join(known)}"
            )


def _check_targets(place: str, datum: Datum, loss: Loss, base: BaseModel) -> NDArray[np.int64]:
    targets = datum.inputs["target_tokens"]
    length = len(datum.tokens)
    soft = loss.soft_targets and targets.ndim == 2 and targets.shape[1] > 0
    if targets.shape[:1] != (length,) or not (targets.ndim == 1 or soft):
        expected = f"({length},)" + (f" or ({length}, K)" if loss.soft_targets else "")
        raise RequestError(
            f"{place}: target_tokens has shape {targets.shape}, loss {loss.name!r} needs {expected}"
        )
    base.check_tokens(targets, f"{place}: target_tokens")
    return targets.astype(np.int64)


def _check_input(
    place: str, values: NDArray[np.generic], shape: tuple[int, ...]
) -> NDArray[np.float32]:
    if values.shape != shape:
        raise RequestError(f"{place} has shape {values.shape}, target_tokens {shape}")
    if values.dtype.kind not in "iuf":
        raise RequestError(f"{place} must hold numbers, not {values.dtype}")
    with np.errstate(over="ignore"):
        column = values.astype(np.float32)
    if len(wrong := np.argwhere(~np.isfinite(column))):
        at = tuple(int(i) for i in wrong[0])
        raise RequestError(f"{place}: {values[at]} at {list(at)} is not a finite float32")
    return column
