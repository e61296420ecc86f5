"""The supervised loop.

Each step is one `forward_backward` with cross-entropy and one `optim_step`. The loop submits a step
while at most `submit_ahead` earlier ones are in flight, so the engine never waits for the client.
An evaluation or a save between step n and step n + 1 sees exactly n steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile

import tinker
from attrs import asdict

from tinker_data import Batch, Position, SupervisedData, normalise_weights
from tinker_sl.config import Config
from tinker_sl.evaluation import evaluate
from tinker_sl.metrics import num_tokens, step_metrics
from tinker_train import Run, SamplingClientEvaluator, TrainResult, loop_state, submit_step


async def supervised_loop(
    config: Config,
    training: tinker.TrainingClient,
    data: SupervisedData,
    run: Run,
    evaluators: Sequence[SamplingClientEvaluator] = (),
) -> TrainResult:
    """Train to the end of the epochs or `max_steps`, until early stopping or a request to stop.

    `training` holds a new model, or that of the checkpoint `run.resumed`. Raises EngineError for a
    call that failed, DataError for a row that cannot be used, and ConfigError for a schedule that
    needs the length of a run whose data does not tell it.
    """
    async with loop_state(run, training, config, total_steps=run_length(config, data)) as loop:
        if loop.evaluation_due():
            loop.record(*evaluate(training, data, evaluators))
            await loop.stop_early()
        for batch in loop.until_end(_batches(config, data, loop.position)):
            datums = normalise_weights(batch.datums, config.normalisation)
            step = submit_step(training, datums, loop.adam_params())
            metrics = step_metrics(step, batch, number=loop.step + 1, tokenizer=data.tokenizer)
            loop.advance(metrics, tokens=num_tokens(batch.datums), position=asdict(batch.after))
            if loop.evaluation_due():
                loop.record(*evaluate(training, data, evaluators))
                await loop.stop_early()
            if loop.checkpoint_due():
                loop.save()
            await loop.wait_for_room(config.submit_ahead)
    return loop.result()


def run_length(config: Config, data: SupervisedData) -> int | None:
    """Optimizer steps in the whole run; None where only the end of the data tells."""
    per_epoch = data.train.steps_per_epoch
    if per_epoch is None:
        return config.max_steps
    steps = per_epoch * config.num_epochs
    return steps if config.max_steps is None else min(steps, config.max_steps)


def _batches(config: Config, data: SupervisedData, position: Mapping[str, int]) -> Iterator[Batch]:
    batches = data.train.batches(Position(**position))
    return takewhile(lambda batch: batch.position.epoch < config.num_epochs, batches)
