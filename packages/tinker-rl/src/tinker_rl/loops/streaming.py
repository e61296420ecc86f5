"""The streaming loop: as the synchronous one, but training begins when the first groups finish.

Sampling a batch ends with its slowest episodes. Here the gradient of a batch is gathered in pieces
while they are still under way: each piece is sent as soon as enough groups are finished, and the
optimizer steps when the gradient of its substep is whole. All groups are of the same weights still.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import tinker
from attrs import define, evolve, field

from tinker_rl.completers import EngineTokenCompleter
from tinker_rl.config import Config, Streaming, num_batches
from tinker_rl.data.dataset import RLData
from tinker_rl.envs.env import EnvGroupBuilder
from tinker_rl.errors import AllEpisodesFailedError
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
from tinker_rl.rollout.group import run_group
from tinker_rl.rollout.seed import Place
from tinker_rl.trajectory import TrajectoryGroup, Transition
from tinker_rl.update.optimizer_step import Piece, Substep, prepare, submit_piece
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


async def streaming_loop(
    config: Config, clients: Clients, data: RLData, run: Run, mode: Streaming
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
        while True:
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
            stream = Stream(
                config=config,
                clients=clients,
                optimizer=optimizer_settings(config, progress.step, total_steps),
                minibatches=mode.minibatches,
                done=progress.step,
            )
            builders_P = data.train.get_batch(index % len(data.train))
            await stream_batch(stream, sampler, builders_P, (config.seed, TRAINING, index))
            batch = Batch(
                groups=stream.groups,
                substeps=stream.substeps,
                known={
                    "epoch": index // len(data.train),
                    "learning_rate": stream.optimizer[0].learning_rate,
                    "time/sampling": time.monotonic() - asked,
                    **joined(stream.metrics),
                },
            )
            index += 1
            before, progress = (
                progress,
                Progress(
                    step=progress.step + len(stream.optimizer),
                    tokens=progress.tokens + batch.num_tokens,
                    seconds=time.monotonic() - began,
                ),
            )
    return result_of(run, recorder, moment)


@define(kw_only=True)
class Stream:
    """A batch that is sampled and trained on at the same time; it fills up as groups finish."""

    config: Config
    clients: Clients
    optimizer: Sequence[tinker.AdamParams]
    minibatches: int
    done: int
    """Optimizer steps before this batch."""
    groups: list[TrajectoryGroup] = field(factory=list)
    substeps: list[Substep] = field(factory=list)
    metrics: list[dict[str, float]] = field(factory=list)
    _waiting: list[TrajectoryGroup] = field(factory=list)
    _pieces: list[Piece] = field(factory=list)
    _sent: int = 0

    async def take(self, group: TrajectoryGroup, size: int) -> None:
        """One more of the batch's `size` groups has finished: send what is whole with it."""
        group = evolve(group, sampler_step=self.done)
        self.groups.append(group)
        self._waiting.append(group)
        whole = len(self.optimizer) * self.minibatches
        while self._sent < whole and len(self.groups) >= round((self._sent + 1) * size / whole):
            await self._send_piece()
            self._sent += 1
            if self._sent % self.minibatches == 0:
                self._step()

    async def _send_piece(self) -> None:
        waiting, self._waiting = self._waiting, []
        before = len(self.groups) - len(waiting)
        if not any(turn.action.tokens for group in waiting for turn in _turns(group)):
            return  # every episode of the piece was dropped, which the rollout metrics count
        learning = evolve(self.config.learning, num_substeps=1)
        training = self.clients.training
        prepared = await prepare(waiting, learning, training, self.clients.shapers)
        self.metrics.append(dict(prepared.metrics))
        share = 1.0 / self.minibatches
        ledgers = [evolve(each, group=before + each.group) for each in prepared.ledgers]
        self._pieces.append(submit_piece(training, ledgers, learning.loss, share=share))

    def _step(self) -> None:
        pieces, self._pieces = self._pieces, []
        number = self.done + len(self.substeps) + 1
        if not pieces:
            raise AllEpisodesFailedError(f"no token was sampled for optimizer step {number}")
        optim = self.clients.training.optim_step(self.optimizer[len(self.substeps)])
        self.substeps.append(Substep(number=number, pieces=pieces, optim=optim))


async def stream_batch(
    stream: Stream,
    sampler: tinker.SamplingClient,
    builders_P: Sequence[EnvGroupBuilder],
    place: Place,
) -> None:
    """Sample the groups side by side, and give each to the stream when it finishes."""
    config = stream.config
    policy = EngineTokenCompleter(sampler, config.sampling)
    free = asyncio.Semaphore(config.rollouts.max_concurrent_groups)
    if not builders_P:
        raise AllEpisodesFailedError("a batch of 0 groups")

    async def run(index: int, builder: EnvGroupBuilder) -> TrajectoryGroup:
        async with free:
            return await run_group(policy, builder, config.rollouts, (*place, index))

    async with task_group() as tasks:
        running = [tasks.create_task(run(i, builder)) for i, builder in enumerate(builders_P)]
        for finished in asyncio.as_completed(running):
            await stream.take(await finished, len(builders_P))


def joined(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """The metrics of a batch from those of its pieces: counts added up, the others' mean."""
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row[name] for row in rows if name in row] for name in names}
    return {
        name: sum(values) / (1 if name.startswith("batch/") else len(values))
        for name, values in columns.items()
    }


def _turns(group: TrajectoryGroup) -> list[Transition]:
    return [turn for episode in group.trajectories for turn in episode.transitions]
