"""Tokens and per-token numbers to a `tinker.Datum`. The shift by one token happens only here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import tinker
from numpy.typing import ArrayLike, NDArray

from tinker_core.errors import DataError

Reduction = Literal["none", "mean"]
Normalisation = Literal["token", "sequence", "none"]
"""The divisor of the loss of a batch.

token      over its tokens: a long sequence counts more than a short one
sequence   over its sequences, each the mean over its tokens: every sequence counts the same
none       not at all: a sum, which grows with batch and length
"""


def next_token_datum(tokens: Sequence[int], **per_token: ArrayLike) -> tinker.Datum:
    """A datum that predicts each token from the tokens before it.

    `tokens` and every keyword (`weights`, `logprobs`, `advantages`, ...) have shape (T,), and the
    values at one index belong to one token. The first token is never predicted: its values are
    dropped, and the result has N = T - 1 rows. Raises DataError for fewer than two tokens, for a
    length that does not match, and for a number that is not finite.
    """
    return _shifted(tinker.ModelInput.from_ints(list(tokens)), per_token)


def datum_from_model_input_weights(
    model_input: tinker.ModelInput,
    weights: ArrayLike,
    max_length: int | None = None,
    reduction: Reduction = "none",
) -> tinker.Datum:
    """A cross-entropy datum from a rendered conversation.

    `weights` has shape (T,), where T is `model_input.length`: the factor of each token in the loss.
    A sequence longer than `max_length` tokens is cut from the right; an image is dropped whole, and
    so is an image that becomes the last chunk. `reduction="mean"` divides the weights by their sum:
    the loss summed over the datum is then a mean over its tokens. Raises DataError if no token with
    a weight is left.
    """
    weights_T = np.asarray(weights, dtype=np.float32)
    if weights_T.shape != (model_input.length,):
        raise DataError(f"{model_input.length} tokens, but weights of shape {weights_T.shape}")
    kept = model_input if max_length is None else _cut(model_input, max_length)
    weights_T = weights_T[: kept.length].copy()
    weights_T[:1] = 0.0  # nothing predicts the first token
    total = float(weights_T.sum())
    if not np.any(weights_T):
        cut = "" if max_length is None else f" within max_length={max_length}"
        raise DataError(f"no token to train on{cut}: all weights are zero")
    return _shifted(kept, {"weights": weights_T / total if reduction == "mean" else weights_T})


def _cut(model_input: tinker.ModelInput, max_length: int) -> tinker.ModelInput:
    chunks: list[tinker.ModelInputChunk] = []
    room = max_length
    for chunk in model_input.chunks:
        if chunk.length > room:
            if isinstance(chunk, tinker.EncodedTextChunk) and room > 0:
                chunks.append(tinker.EncodedTextChunk(tokens=chunk.tokens[:room]))
            break
        chunks.append(chunk)
        room -= chunk.length
    while chunks and not isinstance(chunks[-1], tinker.EncodedTextChunk):
        chunks.pop()
    return tinker.ModelInput(chunks=chunks)


def _shifted(model_input: tinker.ModelInput, per_token: dict[str, ArrayLike]) -> tinker.Datum:
    """Inputs without the last token, targets without the first; the targets of an image are 0."""
    length = model_input.length
    if length < 2:
        raise DataError(f"a datum needs at least two tokens, not {length}")
    last = model_input.chunks[-1]
    if not isinstance(last, tinker.EncodedTextChunk):
        raise DataError("a datum must end in text: nothing predicts an image")
    tokens_T = np.concatenate([_token_ids(chunk) for chunk in model_input.chunks])
    rest = [tinker.EncodedTextChunk(tokens=last.tokens[:-1])] if last.length > 1 else []
    inputs = {"target_tokens": tinker.TensorData.from_numpy(tokens_T[1:])}
    for name, values in per_token.items():
        values_T = np.asarray(values, dtype=np.float32)
        if values_T.shape != (length,):
            raise DataError(f"{length} tokens, but shape {values_T.shape}", field=name)
        if not np.isfinite(values_T).all():
            at = int(np.flatnonzero(~np.isfinite(values_T))[0])
            raise DataError(f"{values_T[at]} at token {at} is not a finite number", field=name)
        inputs[name] = tinker.TensorData.from_numpy(values_T[1:])
    return tinker.Datum(
        model_input=tinker.ModelInput(chunks=[*model_input.chunks[:-1], *rest]),
        loss_fn_inputs=inputs,
    )


def _token_ids(chunk: tinker.ModelInputChunk) -> NDArray[np.int64]:
    if isinstance(chunk, tinker.EncodedTextChunk):
        return np.asarray(chunk.tokens, dtype=np.int64)
    return np.zeros(chunk.length, dtype=np.int64)
