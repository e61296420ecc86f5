"""The preference loop.

Each step is a forward pass, whose log-probabilities give the loss and its gradient here; then one
`forward_backward` with cross-entropy, whose weights are that gradient, and one `optim_step`. It
departs from the usual trainer in one thing: the reference's log-probabilities are there before the
first step, so that one model is enough.

The engine runs calls in the order in which they are submitted. The forward pass of the next step is
submitted right behind a step, so the engine has it before anybody has waited for the step; an
evaluation or a save between the two sees exactly the steps before it. What comes back is written
down in the same order, and a checkpoint is recorded after the rows of all steps that it contains.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import tinker
from attrs import asdict, frozen

from tinker_core import DataError
from tinker_data import Position
from tinker_dpo.config import Config
from tinker_dpo.custom_loss import References, datums_of, surrogate
from tinker_dpo.data.batches import iterate_batches, steps_per_epoch
from tinker_dpo.data.items import Items
from tinker_dpo.data.rendering import RenderedItem
from tinker_dpo.evaluation import HeldOut, evaluate
from tinker_dpo.metrics import Step, num_tokens, step_metrics
from tinker_train import (
    Moment,
    Progress,
    Recorder,
    Run,
    SamplingClientEvaluator,
    TrainResult,
    adam_params,
    engine_errors,
    evaluation_is_due,
    lr_multiplier,
    result_of,
    save_if_due,
    scope,
    submit_step,
    task_group,
    timed,
)


@frozen(kw_only=True, eq=False)
class LoopData:
    """What the loop learns from: rendered, and with what the reference says of it."""

    train: Items
    test: Sequence[RenderedItem] = ()
    skipped: Sequence[DataError] = ()
    """Why rows of either are left out."""
    references: References | None = None
    """For every response of `train` and `test`; None for an objective without a reference."""
    evaluators: Sequence[SamplingClientEvaluator] = ()
    """What else is measured, by sampling from the model."""
    stop: list[int] | list[str] | None = None
    """What ends a sampled response."""


async def preference_loop(
    config: Config, training: tinker.TrainingClient, data: LoopData, run: Run
) -> TrainResult:
    """Train until the epochs are over, `max_steps` is reached, or the run is asked to stop.

    `training` holds a new model, or that of the checkpoint `run.resumed`. Raises EngineError for a
    call that failed, and ConfigError for a schedule that does not fit.
    """
    before = progress = run.resumed.progress if run.resumed else Progress()
    position = Position(**run.resumed.position) if run.resumed else Position()
    total_steps = run_length(config, data.train)
    lr_multiplier(config.schedule, 0, total_steps)  # a schedule that does not fit fails here
    batches = iterate_batches(data.train, config.batching, seed=config.seed, start=position)
    held_out = HeldOut(items=data.test, references=data.references, evaluators=data.evaluators)
    began = time.monotonic() - progress.seconds
    step: Step | None = None

    run.console.begin(total_steps=total_steps, done=progress.step)
    async with task_group() as tasks:
        recorder = Recorder(run, tasks, keep=config.checkpoints.keep)
        while True:
            # The next forward pass comes first, so that the engine has work at all times.
            known: dict[str, float] = {}
            batch = forward = None
            if progress.step != total_steps and not run.stop.is_made:
                with timed("data", known), scope("data"):
                    batch = next(batches)
                forward = training.forward(datums_of(batch.items), "cross_entropy")

            # What is submitted now sees the model exactly as `progress.step` steps leave it.
            moment = Moment(
                before=before,
                now=progress,
                ends=batch is None,
                stopped=batch is None and progress.step != total_steps,
                resumed=run.resumed is not None,
            )
            due = evaluation_is_due(config.evaluation, moment)
            recorder.add(
                progress.step,
                result=None if step is None else step_metrics(step),
                measured=evaluate(training, config.objective, held_out) if due else (),
                checkpoint=save_if_due(training, config.checkpoints, moment, asdict(position)),
            )
            await recorder.wait_for_room(1)  # lets what came back be written down
            if batch is None or forward is None:
                break

            # The loss and its gradient here, its backward pass and the update there.
            with engine_errors(f"forward of step {progress.step + 1}"), scope("wait"):
                outputs = await forward
            with timed("loss", known), scope("loss"):
                loss = surrogate(config.objective, batch.items, outputs, data.references)
            multiplier = lr_multiplier(config.schedule, progress.step, total_steps)
            step = Step(
                number=progress.step + 1,
                batch=batch,
                value=loss.value,
                submitted=submit_step(training, loss.datums, adam_params(config.adam, multiplier)),
                known={
                    "learning_rate": config.adam.learning_rate * multiplier,
                    **({"num_skipped_rows": len(data.skipped)} if data.skipped else {}),
                    **known,
                },
            )
            position = batch.after
            before, progress = (
                progress,
                Progress(
                    step=step.number,
                    tokens=progress.tokens + num_tokens(batch.items),
                    seconds=time.monotonic() - began,
                ),
            )
    return result_of(run, recorder, moment)


def run_length(config: Config, items: Items) -> int:
    """Optimizer steps in the whole run."""
    steps = steps_per_epoch(items, config.batching) * config.num_epochs
    return steps if config.max_steps is None else min(steps, config.max_steps)
