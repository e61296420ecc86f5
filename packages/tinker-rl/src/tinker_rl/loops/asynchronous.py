"""The asynchronous loop: groups are sampled while others are trained on, within a bound on age.

With B_s the groups of batch s, m the bound, and version v the batches trained on so far:

    a group of batch s may begin when v >= s - m, with the newest weights
    step s first takes every group begun at version s - m, waiting for those that are not finished,
    and fills up to B_s with whichever others finished first

By the first rule, no more than B_0 + ... + B_s groups have begun at versions up to s - m, and the
steps before s have taken B_0 + ... + B_(s-1) groups, those first. So the ones that must be taken
fit into step s: no group is ever older than m, none is thrown away, none is sampled twice. m = 0 is
the synchronous loop. A checkpoint says which groups have been trained on; a resumed run begins the
others again.
"""

from __future__ import annotations

import asyncio
import time

from tinker_rl.config import Asynchronous, Config, num_batches
from tinker_rl.data.dataset import RLData
from tinker_rl.loops.loop import (
    Batch,
    Clients,
    batch_metrics,
    measure_if_due,
    newest_sampler,
    optimizer_settings,
    transcripts_of,
)
from tinker_rl.loops.pool import Pool, Trained
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


async def asynchronous_loop(
    config: Config, clients: Clients, data: RLData, run: Run, mode: Asynchronous
) -> TrainResult:
    """Train until the epochs are over, `max_steps` is reached, or the run is asked to stop.

    Raises as `synchronous_loop` does.
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
        pool = Pool(
            config=config,
            data=data.train,
            batches=batches,
            max_staleness=mode.max_staleness,
            trained=Trained.at(run.resumed.position if run.resumed else {}),
        )
        sampling: asyncio.Task[None] | None = None
        while True:
            moment = Moment(
                before=before,
                now=progress,
                ends=index == batches or run.stop.is_made,
                stopped=run.stop.is_made and index < batches,
                resumed=run.resumed is not None,
            )
            position = {"batch": index, **pool.trained.position()}
            checkpoint = save_if_due(clients.training, config.checkpoints, moment, position)
            sampler = await newest_sampler(clients.training)
            recorder.add(
                progress.step,
                result=None if batch is None else batch_metrics(batch, transcripts),
                measured=measure_if_due(config, clients, data, moment, sampler, transcripts),
                checkpoint=checkpoint,
            )
            if moment.ends:
                break

            await pool.publish(sampler, version=index, step=progress.step)
            if sampling is None:
                sampling = tasks.create_task(pool.sample())
            asked = time.monotonic()
            groups_P = await pool.take(index)
            waited = time.monotonic() - asked
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
                    "time/waiting_for_groups": waited,
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
        if sampling is not None:
            sampling.cancel()
    return result_of(run, recorder, moment)
