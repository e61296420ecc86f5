"""Metrics of a training step and of the held-out preferences.

epoch                       pass over the data, from 0
train/loss                  the objective, mean over the batch, before the step's update
train/accuracy              share of pairs whose chosen response has the higher reward; ties half
train/margin                chosen minus rejected reward
train/chosen_reward, ...    reward that the objective implies, mean over the batch
train/chosen_logprob, ...   log-probability of the whole response, in nats
train/chosen_tokens, ...    length of the response
train/reference_point       KTO: z0, the KL to the reference in nats, from mismatched responses
learning_rate               of the optimizer step
num_pairs                   preferences in the batch
num_skipped_rows            rows of the data that are skipped, if there are any
num_tokens                  rows of all datums, each counted once
optim/...                   metrics of the engine's optimizer step
time/data                   seconds to read and render the batch and to submit its forward pass
time/loss                   seconds of the loss and its gradient on the client
time/step                   seconds since the result of the step before
tokens_per_second           num_tokens / time/step
test/...                    the same metrics of the held-out preferences
eval/kl_to_reference        KL to the reference by sampling, in nats per response, see `kl`
eval/...                    metrics of `evaluators`
"""

from __future__ import annotations

from collections.abc import Sequence

from tinker_dpo.custom_loss import datums_of
from tinker_dpo.data.batches import PreferenceBatch
from tinker_dpo.data.rendering import RenderedPreference
from tinker_dpo.objectives.token_loss import TokenLoss
from tinker_train import SubmittedStep, finish_step, merge_metrics


async def step_metrics(
    step: SubmittedStep, batch: PreferenceBatch, value: TokenLoss, *, number: int
) -> dict[str, float]:
    """The metrics of the step of that number, when it arrives; raises EngineError if it failed."""
    result = await finish_step(step, number=number)
    return {
        "epoch": batch.position.epoch,
        **value_metrics("train", value),
        "num_pairs": len(batch.items),
        "num_tokens": num_tokens(batch.items),
        **{f"optim/{key}": value for key, value in result.optim_metrics.items()},
    }


def value_metrics(name: str, value: TokenLoss) -> dict[str, float]:
    """The value and the metrics of an objective, with `name` as prefix."""
    metrics = merge_metrics("metrics of the objective", {"loss": value.loss}, value.metrics)
    return {f"{name}/{key}": number for key, number in metrics.items()}


def num_tokens(items: Sequence[RenderedPreference]) -> int:
    """Rows of the datums of all responses."""
    return sum(datum.model_input.length for datum in datums_of(items))
