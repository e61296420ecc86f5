"""Metrics of a training step.

epoch                       pass over the data, from 0
train/nll                   nats per token of weight 1, before the step's update
train/bpb                   bits per byte, see `bits_per_byte`
learning_rate               of the optimizer step
num_sequences               datums in the batch
num_tokens                  input tokens of all datums; there are as many targets
num_loss_tokens             targets with a weight
num_truncated, ...          datums truncated or dropped, if there are any
optim/...                   metrics of the engine's optimizer step
time/data                   seconds to read and render the batch
time/step                   seconds since the result of the step before
tokens_per_second           num_tokens / time/step
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import tinker

from tinker_data import Batch
from tinker_sl.bits_per_byte import bits_per_byte
from tinker_train import (
    SubmittedStep,
    datum_weights,
    finish_step,
    merge_metrics,
    scope,
    weighted_nll,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


async def step_metrics(
    step: SubmittedStep, batch: Batch, *, number: int, tokenizer: PreTrainedTokenizerBase | None
) -> dict[str, float]:
    """The metrics of the step of that number, when it arrives.

    Raises EngineError if it failed, and ConfigError for a count of the data with the name of
    another metric.
    """
    with scope("step", number=number):
        result = await finish_step(step, number=number)
    datums = batch.datums
    bits = {}
    if tokenizer is not None:
        bits["train/bpb"] = bits_per_byte(datums, result.outputs, tokenizer)
    metrics = {
        "epoch": batch.position.epoch,
        "train/nll": weighted_nll(datums, result.outputs).per_token,
        **bits,
        "num_sequences": len(datums),
        "num_tokens": num_tokens(datums),
        "num_loss_tokens": sum(int(np.count_nonzero(datum_weights(datum))) for datum in datums),
        **{f"optim/{key}": value for key, value in result.optim_metrics.items()},
    }
    return merge_metrics(f"counts of the batch of step {number}", metrics, batch.counts)


def num_tokens(datums: Sequence[tinker.Datum]) -> int:
    """Input tokens of all datums."""
    return sum(datum.model_input.length for datum in datums)
