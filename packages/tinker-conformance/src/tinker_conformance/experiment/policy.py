"""Datums of the reinforcement-learning losses, with ratios on every side of the thresholds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tinker_conformance.client.batch import Batch, Datum, make_datum
from tinker_conformance.client.shown import Reply
from tinker_conformance.client.trainer import LOGPROBS, Trainer
from tinker_conformance.closed_form.losses import LOSSES
from tinker_conformance.experiment.sequences import PROBE

RATIOS = (0.05, 0.5, 0.7, 0.85, 1.0, 1.15, 1.3, 1.6, 3.0, 6.0)
"""exp(lp - q) of the tokens: below, between and above the default thresholds of every loss."""
ADVANTAGES = (1.0, -1.0, 0.7, 0.0, -0.6, 1.2, -0.9)


def policy_batch(trainer: Trainer) -> Batch:
    """`PROBE` with `logprobs` that give every ratio, and advantages of both signs."""
    reply = trainer.forward(PROBE).result()
    place = 0
    datums = []
    for index, datum in enumerate(PROBE):
        lp = reply.show(LOGPROBS.format(index=index)).array
        at = np.arange(place, place + len(lp))
        place += len(lp)
        ratios = np.array(RATIOS)[at % len(RATIOS)]
        advantages = np.array(ADVANTAGES)[at % len(ADVANTAGES)]
        datums.append(
            datum.replace(weights=None, logprobs=lp - np.log(ratios), advantages=advantages)
        )
    return tuple(datums)


def with_ratio_mask(batch: Batch) -> Batch:
    """The inputs of `gspo`: the first token of each datum does not count for its ratio."""
    return tuple(datum.replace(sequence_ratio_mask=_mask(len(datum.tokens))) for datum in batch)


def _mask(length: int) -> NDArray[np.float64]:
    mask = np.ones(length)
    mask[0] = 0.0
    return mask


def columns(datum: Datum) -> dict[str, NDArray[np.float64]]:
    """The inputs of a datum as numbers."""
    return {name: datum.column(name).astype(np.float64) for name in datum.inputs}


def expected_loss(reply: Reply, batch: Batch, loss: str, config: Mapping[str, float]) -> float:
    """The closed form of a loss at the logprobs that the server returned with it."""
    total = 0.0
    for index, datum in enumerate(batch):
        lp = reply.show(LOGPROBS.format(index=index)).array
        total += float(LOSSES[loss].value(lp, columns(datum), config).sum())
    return total


def as_cross_entropy(reply: Reply, batch: Batch, loss: str, config: Mapping[str, float]) -> Batch:
    """The cross-entropy datums whose gradient is that of the loss: weights are -d loss / d lp."""
    datums = []
    for index, datum in enumerate(batch):
        lp = reply.show(LOGPROBS.format(index=index)).array
        slope = LOSSES[loss].slope(lp, columns(datum), config)
        targets = datum.column("target_tokens")
        datums.append(make_datum(datum.tokens, target_tokens=targets, weights=-slope))
    return tuple(datums)
