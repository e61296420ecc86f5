"""From training sequences to the datums of a loss.

Engines sum a loss over its tokens. A normalisation is therefore a factor on the advantages:

    token      1 / sampled tokens of the step
    sequence   1 / (sequences of the step * sampled tokens of the sequence)
    none       1
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tinker
from numpy.typing import ArrayLike, NDArray

from tinker_core import Normalisation, next_token_datum
from tinker_rl.update.losses.custom import CustomLoss
from tinker_rl.update.losses.loss import Loss, Settings
from tinker_rl.update.training_sequence import Floats, TrainingSequence, model_input, sampled_tokens


def loss_datums(
    loss: Loss, sequences: Sequence[TrainingSequence], *, weight: float = 1.0
) -> tuple[list[tinker.Datum], Settings | None]:
    """The datums and the loss's settings of one optimizer step, or of a micro-batch of it.

    The loss is normalised over these sequences. `weight` is the micro-batch's weight in its step.
    """
    scales_D = _scales(loss.normalise, sequences, weight)
    datums = [
        _datum(loss, sequence, scale) for sequence, scale in zip(sequences, scales_D, strict=True)
    ]
    return datums, loss.settings(scales_D)


def forward_datums(sequences: Sequence[TrainingSequence]) -> list[tinker.Datum]:
    """The datums of a forward pass whose logprobs are needed."""
    return [_weighted(sequence, sequence.sampled) for sequence in sequences]


def custom_loss_datums(
    loss: CustomLoss,
    sequences: Sequence[TrainingSequence],
    logprobs_D: Sequence[Floats],
    *,
    weight: float = 1.0,
) -> list[tinker.Datum]:
    """Cross-entropy datums with the gradient of a custom loss at the trained model's logprobs.

    `logprobs_D` are those of the sampled tokens, D arrays of shape (S_d,).
    """
    scales_D = _scales(loss.normalise, sequences, weight)
    datums = []
    for sequence, p_S, scale in zip(sequences, logprobs_D, scales_D, strict=True):
        weights_T = np.zeros(len(sequence.tokens))
        advantages_S = sequence.advantages[sequence.sampled] * scale
        slopes_S = loss.slopes(p_S, sequence.sampled_logprobs, advantages_S)
        weights_T[sequence.sampled] = -slopes_S
        datums.append(_weighted(sequence, weights_T))
    return datums


def _scales(
    normalise: Normalisation, sequences: Sequence[TrainingSequence], weight: float
) -> NDArray[np.float64]:
    """The factor on the advantages of each sequence, shape (D,)."""
    match normalise:
        case "token":
            return np.full(len(sequences), weight / max(sampled_tokens(sequences), 1))
        case "sequence":
            tokens_D = np.array([int(sequence.sampled.sum()) for sequence in sequences])
            return weight / (len(sequences) * tokens_D)
        case "none":
            return np.ones(len(sequences))


def _datum(loss: Loss, sequence: TrainingSequence, scale: float) -> tinker.Datum:
    datum = next_token_datum(
        sequence.tokens.tolist(),
        logprobs=sequence.logprobs,
        advantages=sequence.advantages * scale,
        **loss.inputs(sequence),
    )
    return _with_images(datum, sequence)


def _weighted(sequence: TrainingSequence, weights_T: ArrayLike) -> tinker.Datum:
    """A cross-entropy datum."""
    weights_T = np.asarray(weights_T, dtype=np.float32)
    return _with_images(next_token_datum(sequence.tokens.tolist(), weights=weights_T), sequence)


def _with_images(datum: tinker.Datum, sequence: TrainingSequence) -> tinker.Datum:
    if not sequence.images:
        return datum
    seen = model_input(sequence, end=len(sequence.tokens) - 1)
    return tinker.Datum(model_input=seen, loss_fn_inputs=datum.loss_fn_inputs)
