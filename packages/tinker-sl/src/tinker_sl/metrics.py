"""What is said of a training step.

epoch                       which time through the data, from 0
train/nll                   nats per token of weight one, before the step's update
learning_rate               what the optimizer got
num_sequences               datums
num_tokens                  rows of all datums: tokens in, of which as many targets
num_loss_tokens             targets that the loss counts
num_truncated, ...          what the data lost, where it lost something
optim/...                   what the engine says of the optimizer step
time/data                   seconds for reading and rendering the batch
time/step                   seconds since the step before it came back
tokens_per_second           num_tokens in time/step
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import tinker

from tinker_data import Batch
from tinker_sl.bits_per_byte import bits_per_byte
from tinker_train import SubmittedStep, datum_weights, finish_step, scope, weighted_nll

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


async def step_metrics(
    step: SubmittedStep, batch: Batch, *, number: int, tokenizer: PreTrainedTokenizerBase | None
) -> dict[str, float]:
    """The metrics of the step of that number, when it arrives; raises EngineError if it failed."""
    with scope("step", number=number):
        result = await finish_step(step, number=number)
    datums = batch.datums
    bits = {}
    if tokenizer is not None:
        bits["train/bpb"] = bits_per_byte(datums, result.outputs, tokenizer)
    return {
        "epoch": batch.position.epoch,
        "train/nll": weighted_nll(datums, result.outputs).per_token,
        **bits,
        "num_sequences": len(datums),
        "num_tokens": num_tokens(datums),
        "num_loss_tokens": sum(int(np.count_nonzero(datum_weights(datum))) for datum in datums),
        **batch.counts,
        **{f"optim/{key}": value for key, value in result.optim_metrics.items()},
    }


def num_tokens(datums: Sequence[tinker.Datum]) -> int:
    """Rows of all datums."""
    return sum(datum.model_input.length for datum in datums)
