"""A low-rank update of a part of one stored tensor, applied block by block."""

from __future__ import annotations

from attrs import field, frozen

from tinker_weights.tensor_file.dtypes import Array


@frozen(kw_only=True, eq=False)
class Update:
    """`scale * b @ a`, added to some outputs of a weight."""

    a: Array = field(repr=False)
    """Shape (rank, inputs), float32."""
    b: Array = field(repr=False)
    """Shape (outputs, rank), float32."""
    scale: float
    expert: int | None = None
    """The place on the first axis of a tensor that holds all experts."""
    first: int = 0
    """The first output of the tensor that is changed."""
    stride: int = 1
    """2 where gate and up alternate."""
    transposed: bool = False
    """True if the tensor is (..., inputs, outputs), not (..., outputs, inputs)."""


def apply(update: Update, block: Array, start: int) -> None:
    """Add to a float32 block, in place; its first row is row `start` of the tensor."""
    if update.expert is None:
        _apply_matrix(update, block, start)
    elif start <= update.expert < start + len(block):
        _apply_matrix(update, block[update.expert - start], 0)


def _apply_matrix(update: Update, rows: Array, start: int) -> None:
    stop, step = start + len(rows), update.stride
    if update.transposed:
        columns = slice(update.first, update.first + len(update.b) * step, step)
        rows[:, columns] += update.scale * (update.a[:, start:stop].T @ update.b.T)
        return
    low = max(0, -(-(start - update.first) // step))  # of the outputs of b that lie in the block
    high = min(len(update.b), max(0, -(-(stop - update.first) // step)))
    if low < high:
        begin = update.first + low * step - start
        end = update.first + (high - 1) * step - start + 1
        rows[begin:end:step] += update.scale * (update.b[low:high] @ update.a)
