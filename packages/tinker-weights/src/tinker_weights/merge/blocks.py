"""The values of the tensors of a merged model, block by block."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from tinker_weights.merge.update import Update, apply
from tinker_weights.tensor_file.dtypes import NUMPY_DTYPES, Array
from tinker_weights.tensor_file.reader import Tensor

_BLOCK = 2**24
"""Values that are in memory at once: 64 MiB of float32, and their update."""


def merged_blocks(tensor: Tensor, updates: tuple[Update, ...], dtype: str) -> Iterator[Array]:
    """The tensor's values plus its updates, summed in float32 and then rounded to `dtype` once."""
    if not tensor.shape:
        yield np.asarray(tensor.rows(0, 1))
        return
    row = max(1, math.prod(tensor.shape[1:]))
    step = max(1, _BLOCK // row)
    for start in range(0, tensor.shape[0], step):
        block = tensor.rows(start, min(start + step, tensor.shape[0]))
        if updates:
            block = np.array(block, dtype=np.float32)
            for update in updates:
                apply(update, block, start)
        with np.errstate(over="ignore"):  # what is infinite then is refused by the caller
            yield block.astype(NUMPY_DTYPES[dtype], copy=False)
