"""The supervised loop.

Each step is one `forward_backward` with cross-entropy and one `optim_step`. The engine runs calls
in the order in which they are submitted, and the loop submits ahead of what has come back: an
evaluation or a save put between step n and step n + 1 sees exactly n steps, while step n + 1 waits
behind it already. What comes back is written down in the same order, one row a step, and a
checkpoint is recorded after the rows of all steps that it contains. So whatever kills the run, it
goes on from its last record as if nothing had happened.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import tinker
from attrs import asdict, evolve

from tinker_data import Position, SupervisedData, normalise_weights
from tinker_sl.config import Config
from tinker_sl.evaluation import evaluate, patience_is_over
from tinker_sl.metrics import Step, num_tokens, step_metrics
from tinker_train import (
    Moment,
    Progress,
    Recorder,
    Run,
    SamplingClientEvaluator,
    TrainResult,
    adam_params,
    evaluation_is_due,
    lr_multiplier,
    read_metrics,
    result_of,
    save_if_due,
    scope,
    submit_step,
    task_group,
    timed,
)


async def supervised_loop(
    config: Config,
    training: tinker.TrainingClient,
    data: SupervisedData,
    run: Run,
    evaluators: Sequence[SamplingClientEvaluator] = (),
) -> TrainResult:
    """Train until the epochs or `max_steps` are over, patience is, or the run is asked to stop.

    `training` holds a new model, or that of the checkpoint `run.resumed`. Raises EngineError for a
    call that failed, DataError for a row that cannot be used, and ConfigError for a schedule that
    needs to know a run's length where nobody does.
    """
    before = progress = run.resumed.progress if run.resumed else Progress()
    position = Position(**run.resumed.position) if run.resumed else Position()
    total_steps = run_length(config, data)
    lr_multiplier(config.schedule, 0, total_steps)  # a schedule that does not fit fails here
    batches = data.train.batches(position)
    began = time.monotonic() - progress.seconds
    step: Step | None = None

    run.console.begin(total_steps=total_steps, done=progress.step)
    async with task_group() as tasks:
        recorder = Recorder(run, tasks, keep=config.checkpoints.keep)
        while True:
            # The next batch comes first: without one, the step just submitted was the last.
            known: dict[str, float] = {}
            batch = None
            if progress.step != total_steps and not run.stop.is_made:
                with timed("data", known), scope("data"):
                    following = next(batches)
                batch = following if following.position.epoch < config.num_epochs else None
            moment = Moment(
                before=before,
                now=progress,
                ends=batch is None,
                stopped=batch is None and run.stop.is_made and progress.step != total_steps,
                resumed=run.resumed is not None,
            )

            # What is submitted now sees the model exactly as `progress.step` steps leave it.
            due = evaluation_is_due(config.evaluation, moment)
            recorder.add(
                progress.step,
                result=None if step is None else step_metrics(step, data.tokenizer),
                measured=evaluate(training, data, evaluators) if due else (),
            )
            if due and config.evaluation.patience is not None:
                await recorder.settle()
                rows = read_metrics(run.directory.metrics_file)
                if patience_is_over(config.evaluation, rows):
                    batch, moment = None, evolve(moment, ends=True, stopped=False)
            checkpoint = save_if_due(training, config.checkpoints, moment, asdict(position))
            if checkpoint is not None:
                recorder.add(progress.step, checkpoint=checkpoint)
            with scope("wait"):
                await recorder.wait_for_room(config.submit_ahead)
            if batch is None:
                break

            # One more step, on top of at most `submit_ahead` that have not come back yet.
            position = batch.after
            multiplier = lr_multiplier(config.schedule, progress.step, total_steps)
            known["learning_rate"] = config.adam.learning_rate * multiplier
            step = Step(
                number=progress.step + 1,
                batch=batch,
                submitted=submit_step(
                    training,
                    normalise_weights(batch.datums, config.normalisation),
                    adam_params(config.adam, multiplier),
                ),
                known=known,
            )
            before, progress = (
                progress,
                Progress(
                    step=step.number,
                    tokens=progress.tokens + num_tokens(batch.datums),
                    seconds=time.monotonic() - began,
                ),
            )
    return result_of(run, recorder, moment)


def run_length(config: Config, data: SupervisedData) -> int | None:
    """Optimizer steps in the whole run; None where only reading the data to its end would tell."""
    per_epoch = data.train.steps_per_epoch
    if per_epoch is None:
        return config.max_steps
    steps = per_epoch * config.num_epochs
    return steps if config.max_steps is None else min(steps, config.max_steps)
