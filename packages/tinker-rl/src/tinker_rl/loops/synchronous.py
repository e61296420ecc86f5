"""The synchronous loop: sample a batch with the newest weights, train on it, and so on.

    sampler of step n -> episodes -> advantages -> datums -> forward_backward, optim_step -> n + 1

Policy gradient with the group as baseline (GRPO without its division by the deviation, see
`advantages`). Every sample comes from the weights that its gradient is taken at, so the ratio of
the losses is 1 up to the difference between sampler and trainer, until `num_substeps` is over 1.
All random numbers come from the seed and the place (batch, group, episode, turn): a run that was
interrupted goes on from its last checkpoint as if nothing had happened.
"""

from __future__ import annotations

import time

from attrs import evolve

from tinker_rl.completers import EngineTokenCompleter
from tinker_rl.config import Config, num_batches
from tinker_rl.data.dataset import RLData
from tinker_rl.loops.loop import (
    TRAINING,
    Batch,
    Clients,
    batch_metrics,
    measure_if_due,
    newest_sampler,
    optimizer_settings,
    transcripts_of,
)
from tinker_rl.rollout.group import run_groups
from tinker_rl.update.optimizer_step import prepare, submit_batch
from tinker_train import (
    Moment,
    Progress,
    Recorder,
    Run,
    TrainResult,
    lr_multiplier,
    result_of,
    save_if_due,
    task_group,
)


async def synchronous_loop(config: Config, clients: Clients, data: RLData, run: Run) -> TrainResult:
    """Train until the epochs are over, `max_steps` is reached, or the run is asked to stop.

    `clients.training` holds a new model, or that of the checkpoint `run.resumed`. Raises
    EngineError for a call that failed, EnvironmentFailure by the policy for failed episodes,
    AllEpisodesFailedError for a batch without anything to train on.
    """
    before = progress = run.resumed.progress if run.resumed else Progress()
    index = run.resumed.position["batch"] if run.resumed else 0
    batches = num_batches(config, data.train)
    total_steps = batches * config.learning.num_substeps
    lr_multiplier(config.schedule, 0, total_steps)  # a schedule that does not fit fails here
    began = time.monotonic() - progress.seconds
    transcripts = transcripts_of(config, clients, run)
    batch: Batch | None = None

    run.console.begin(total_steps=total_steps, done=progress.step)
    async with task_group() as tasks:
        recorder = Recorder(run, tasks, keep=config.checkpoints.keep)
        while True:
            # What is submitted now sees the model exactly as `progress.step` steps leave it.
            moment = Moment(
                before=before,
                now=progress,
                ends=index == batches or run.stop.is_made,
                stopped=run.stop.is_made and index < batches,
                resumed=run.resumed is not None,
            )
            checkpoint = save_if_due(clients.training, config.checkpoints, moment, {"batch": index})
            sampler = await newest_sampler(clients.training)
            recorder.add(
                progress.step,
                result=None if batch is None else batch_metrics(batch, transcripts),
                measured=measure_if_due(config, clients, data, moment, sampler, transcripts),
                checkpoint=checkpoint,
            )
            if moment.ends:
                break

            asked = time.monotonic()
            groups_P = await run_groups(
                EngineTokenCompleter(sampler, config.sampling),
                data.train.get_batch(index % len(data.train)),
                config.rollouts,
                (config.seed, TRAINING, index),
            )
            groups_P = [evolve(group, sampler_step=progress.step) for group in groups_P]
            sampled = time.monotonic()
            prepared = await prepare(groups_P, config.learning, clients.training, clients.shapers)
            optimizer = optimizer_settings(config, progress.step, total_steps)
            batch = Batch(
                groups=groups_P,
                substeps=submit_batch(
                    clients.training,
                    prepared.ledgers,
                    config.learning.loss,
                    optimizer,
                    done=progress.step,
                ),
                known={
                    "epoch": index // len(data.train),
                    "learning_rate": optimizer[0].learning_rate,
                    "time/sampling": sampled - asked,
                    "time/preparing": time.monotonic() - sampled,
                    **prepared.metrics,
                },
            )
            index += 1
            before, progress = (
                progress,
                Progress(
                    step=progress.step + len(optimizer),
                    tokens=progress.tokens + batch.num_tokens,
                    seconds=time.monotonic() - began,
                ),
            )
    return result_of(run, recorder, moment)
