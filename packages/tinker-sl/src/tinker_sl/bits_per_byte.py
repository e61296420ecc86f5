"""Bits per byte: a likelihood that is comparable between tokenizers.

It is the negative log-likelihood of the trained tokens in bits, divided by the number of UTF-8
bytes of their text. Control tokens are not text: neither their bits nor their bytes count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import tinker
from numpy.typing import NDArray
from tinker import types

from tinker_train import datum_weights

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def bits_per_byte(
    datums: Sequence[tinker.Datum],
    outputs: types.ForwardBackwardOutput,
    tokenizer: PreTrainedTokenizerBase,
) -> float:
    """Bits per byte of all targets with a weight; NaN if they have no text."""
    control = np.array(sorted(tokenizer.all_special_ids), dtype=np.int64)
    nats = 0.0
    num_bytes = 0
    for datum, output in zip(datums, outputs.loss_fn_outputs, strict=True):
        targets_N = np.asarray(datum.loss_fn_inputs["target_tokens"].to_numpy())
        logprobs_N = np.asarray(output["logprobs"].to_numpy(), dtype=np.float64)
        counted_N = (datum_weights(datum) > 0) & ~np.isin(targets_N, control)
        nats -= float(logprobs_N[counted_N].sum())
        for run in _runs(counted_N):
            text = tokenizer.decode(targets_N[run].tolist())
            num_bytes += len(str(text).encode("utf-8", "replace"))
    return nats / math.log(2) / num_bytes if num_bytes else float("nan")


def _runs(mask_N: NDArray[np.bool_]) -> list[slice]:
    """The runs of true values, so that text on both sides of a gap is not joined."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask_N.astype(np.int8), [0]])))
    return [slice(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
