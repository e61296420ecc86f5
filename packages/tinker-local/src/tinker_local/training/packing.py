"""Loss requests, checked and laid out in rows, before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from attrs import frozen
from numpy.typing import NDArray
from torch import Tensor

from tinker_local.errors import RequestError
from tinker_local.model.limits import Limits, check_vocabulary
from tinker_local.request_types import Datum, LossRequest
from tinker_local.training.losses import Loss


@frozen(kw_only=True, eq=False)
class Rows:
    """One checked datum: N rows, each with K targets (1 unless the targets came as (N, K))."""

    index: int
    tokens: Tensor
    """Shape (N,)."""
    targets: Tensor
    """Shape (N, K)."""
    columns: dict[str, Tensor]
    """The loss's other inputs, float32, (N, K)."""
    shape: tuple[int, ...]
    """What `target_tokens` came as."""

    def __len__(self) -> int:
        return len(self.tokens)


def check_request(request: LossRequest, loss: Loss, limits: Limits) -> list[Rows]:
    """Every datum as rows; RequestError names the datum, the field, the value and the limit."""
    if not request.data:
        raise RequestError("data is empty: a loss needs at least one datum")
    return [_check_datum(i, datum, loss, limits) for i, datum in enumerate(request.data)]


def _check_datum(index: int, datum: Datum, loss: Loss, limits: Limits) -> Rows:
    place = f"datum {index}"
    length = len(datum.tokens)
    if length == 0:
        raise RequestError(f"{place}: model_input is empty")
    if length > limits.context_length:
        raise RequestError(
            f"{place}: {length} tokens are more than the context length {limits.context_length}"
        )
    check_vocabulary(datum.tokens, limits.vocab_size, f"{place}: model_input")
    _check_names(place, datum, loss)
    targets = _targets(place, datum, loss, limits)
    columns = {
        name: _column(f"{place}: {name}", datum.inputs[name], targets.shape)
        for name in (*loss.required, *loss.optional)
        if name in datum.inputs
    }
    if loss.name == "cross_entropy" and "weights" not in columns:
        columns["weights"] = np.ones(targets.shape, dtype=np.float32)
    if loss.sequence_wide and not columns["sequence_ratio_mask"].any():
        raise RequestError(f"{place}: sequence_ratio_mask is zero everywhere")
    return Rows(
        index=index,
        tokens=torch.from_numpy(datum.tokens.astype(np.int64)),
        targets=torch.from_numpy(targets.reshape(length, -1)),
        columns={k: torch.from_numpy(v.reshape(length, -1)) for k, v in columns.items()},
        shape=targets.shape,
    )


def _check_names(place: str, datum: Datum, loss: Loss) -> None:
    takes = ("target_tokens", *loss.required, *loss.optional)
    for name in ("target_tokens", *loss.required):
        if name not in datum.inputs:
            raise RequestError(f"{place}: loss {loss.name!r} needs {name!r}, which is missing")
    for name in datum.inputs:
        if name not in takes:
            raise RequestError(
                f"{place}: loss {loss.name!r} has no input {name!r}; it takes {', '.join(takes)}"
            )


def _targets(place: str, datum: Datum, loss: Loss, limits: Limits) -> NDArray[np.int64]:
    targets = datum.inputs["target_tokens"]
    length = len(datum.tokens)
    soft = loss.name == "cross_entropy" and targets.ndim == 2 and targets.shape[1] > 0
    if targets.shape[:1] != (length,) or not (targets.ndim == 1 or soft):
        wanted = f"({length},)" + (f" or ({length}, K)" if loss.name == "cross_entropy" else "")
        raise RequestError(
            f"{place}: target_tokens has shape {targets.shape}, loss {loss.name!r} needs {wanted}"
        )
    check_vocabulary(targets, limits.vocab_size, f"{place}: target_tokens")
    return targets.astype(np.int64)


def _column(place: str, values: NDArray[np.generic], shape: tuple[int, ...]) -> NDArray[np.float32]:
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


def pack(rows: Iterable[Rows], budget: int) -> list[list[Rows]]:
    """Groups of at most `budget` rows; a longer datum is a group by itself.

    Sorted by length, so that neighbours of one length attend in one call.
    """
    packs: list[list[Rows]] = []
    filled = 0
    for datum in sorted(rows, key=len, reverse=True):
        if not packs or filled + len(datum) > budget:
            packs.append([])
            filled = 0
        packs[-1].append(datum)
        filled += len(datum)
    return packs


def stack(tensors: Sequence[Tensor]) -> Tensor:
    """Concatenate (N_i, K_i) along rows; narrower ones get zero columns."""
    width = max(t.shape[1] for t in tensors)
    return torch.cat([torch.nn.functional.pad(t, (0, width - t.shape[1])) for t in tensors])
