"""What is said of a training step, and of the held-out preferences.

epoch                       which time through the data, from 0
train/loss                  the objective, mean over the batch, before the step's update
train/accuracy              share of pairs whose chosen response has the higher reward; ties half
train/margin                chosen minus rejected reward
train/chosen_reward, ...    the reward that the objective implies, mean over the batch
train/chosen_logprob, ...   nats of the whole response
train/chosen_tokens, ...    length of the response
train/kl_to_reference       KTO alone: the reference point, from responses to other prompts
learning_rate               what the optimizer got
num_pairs                   preferences in the batch; judged responses where they are single
num_skipped_rows            rows of the data that are left out, where there are any
num_tokens                  rows of all datums, each counted once
optim/...                   what the engine says of the optimizer step
time/data                   seconds for reading and rendering the batch
time/loss                   seconds for the loss and its gradient, here
time/step                   seconds since the step before it came back
tokens_per_second           num_tokens in time/step
test/...                    the same of the held-out preferences
test/kl_to_reference        nats per response, of the policy's own samples, see `kl`
"""

from __future__ import annotations

from collections.abc import Sequence

from tinker_dpo.custom_loss import datums_of
from tinker_dpo.data.batches import ItemBatch
from tinker_dpo.data.rendering import RenderedItem
from tinker_dpo.objectives.token_loss import TokenLoss
from tinker_train import SubmittedStep, finish_step


async def step_metrics(
    step: SubmittedStep, batch: ItemBatch, value: TokenLoss, *, number: int
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
    """An objective's value and metrics, under the name of the data that they are of."""
    return {
        f"{name}/loss": value.loss,
        **{f"{name}/{key}": number for key, number in value.metrics.items()},
    }


def num_tokens(items: Sequence[RenderedItem]) -> int:
    """Rows of all datums."""
    return sum(datum.model_input.length for datum in datums_of(items))
