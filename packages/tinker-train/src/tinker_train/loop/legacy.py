"""The interface of before `LoopState`, for tinker-rl alone until it has moved over."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

import tinker
from attrs import define, field, frozen

from tinker_train.checkpoint.record import CheckpointRecord
from tinker_train.checkpoint.retention import delete_old
from tinker_train.checkpoint.save import (
    SubmittedCheckpoint,
    finish_checkpoint,
    submit_checkpoint,
)
from tinker_train.checkpoint.settings import Checkpoints
from tinker_train.config.cadence import Cadence, Every, Progress, is_due
from tinker_train.metrics.sink import Metrics, last_values, read_metrics
from tinker_train.run.open import Run
from tinker_train.run.result import TrainResult


@frozen(kw_only=True)
class EvaluationTimes:
    """When the held-out data is measured; an algorithm's own settings come on top."""

    every: Cadence = field(factory=lambda: Every(steps=10))
    """Between the first step and the last."""
    at_start: bool = True
    """Before the first step."""
    at_end: bool = True
    """After the last step."""


@frozen(kw_only=True)
class Moment:
    """The time after one step and before the next."""

    before: Progress
    """As it was one step earlier; equal to `now` where this process has not made a step yet."""
    now: Progress
    ends: bool
    """Whether no step follows in this process."""
    stopped: bool
    """Whether that is because somebody asked for it, with steps left to make."""
    resumed: bool
    """Whether this process went on from a checkpoint."""

    @property
    def begins(self) -> bool:
        """Whether the run has made no step yet."""
        return self.now.step == 0 and not self.resumed

    @property
    def has_moved(self) -> bool:
        """Whether this process has made a step."""
        return self.now.step > self.before.step


def evaluation_is_due(times: EvaluationTimes, moment: Moment) -> bool:
    """Whether the held-out data is measured at this moment; never twice at the same step."""
    if moment.begins:
        return times.at_start and not moment.ends
    if not moment.has_moved:
        return False
    if moment.ends and not moment.stopped and times.at_end:
        return True
    return is_due(times.every, moment.before, moment.now)


def checkpoint_is_due(checkpoints: Checkpoints, moment: Moment) -> bool:
    """Whether the model is saved at this moment: at the end always, else by the cadence."""
    if not moment.has_moved:
        return False
    return moment.ends or is_due(checkpoints.every, moment.before, moment.now)


def save_if_due(
    training: tinker.TrainingClient,
    checkpoints: Checkpoints,
    moment: Moment,
    position: Mapping[str, int],
) -> SubmittedCheckpoint | None:
    """Ask for the checkpoint of this moment, named after the steps that it contains.

    `position` is where the data goes on. At the end, weights to sample from are saved too.
    """
    if not checkpoint_is_due(checkpoints, moment):
        return None
    record = CheckpointRecord(
        name=f"{moment.now.step:06d}",
        progress=moment.now,
        position=position,
        final=moment.ends and not moment.stopped,
    )
    return submit_checkpoint(
        training,
        record,
        sampler=moment.ends,
        ttl_seconds=None if moment.ends else checkpoints.ttl_seconds,
    )


Coming = Coroutine[Any, Any, Metrics]


@define
class Recorder:
    """Collects the rows and the checkpoints of a run; its tasks belong to the loop's task group."""

    run: Run
    tasks: asyncio.TaskGroup
    keep: int | None = None
    """How many checkpoints to keep that only a resume needs; None keeps all."""
    last_checkpoint: CheckpointRecord | None = None
    _in_flight: deque[asyncio.Task[Metrics]] = field(factory=deque)
    _writing: asyncio.Task[None] | None = None
    _last_result: float = field(factory=time.monotonic)

    def add(
        self,
        step: int,
        *,
        result: Coming | None = None,
        measured: Sequence[Coming] = (),
        checkpoint: SubmittedCheckpoint | None = None,
    ) -> None:
        """Take what belongs to the `step`-th step: its result, what is measured after it, a save.

        With `num_tokens` in the result, the row says tokens per second.
        """
        parts = [self.tasks.create_task(coming) for coming in measured]
        if result is not None:
            parts.insert(0, self.tasks.create_task(self._timed(result)))
            self._in_flight.append(parts[0])
        self._writing = self.tasks.create_task(self._write(step, self._writing, parts, checkpoint))

    async def wait_for_room(self, submit_ahead: int) -> None:
        """Wait until no more than `submit_ahead` steps are on their way."""
        while len(self._in_flight) > submit_ahead:
            await self._in_flight.popleft()

    async def settle(self) -> None:
        """Wait until everything added so far is written down."""
        if self._writing is not None:
            await self._writing

    async def _timed(self, result: Coming) -> Metrics:
        metrics = dict(await result)
        now = time.monotonic()
        seconds, self._last_result = now - self._last_result, now
        metrics["time/step"] = seconds
        if "num_tokens" in metrics:
            metrics["tokens_per_second"] = metrics["num_tokens"] / max(seconds, 1e-9)
        return metrics

    async def _write(
        self,
        step: int,
        before: asyncio.Task[None] | None,
        parts: Sequence[asyncio.Task[Metrics]],
        checkpoint: SubmittedCheckpoint | None,
    ) -> None:
        row: dict[str, float] = {}
        for part in parts:
            row.update(await part)
        if before is not None:
            await before
        if row:
            self.run.sinks.log_metrics(row, step)
            self.run.console.step(step, row)
        if checkpoint is not None:
            file = self.run.directory.checkpoints_file
            self.last_checkpoint = await finish_checkpoint(checkpoint, file)
            delete = None if self.run.engine is None else self.run.engine.delete_checkpoint
            if self.keep is not None and delete is not None:
                await delete_old(file, self.keep, delete)


def result_of(run: Run, recorder: Recorder, moment: Moment) -> TrainResult:
    """The result of a run whose loop left at this moment, everything written down."""
    checkpoint = recorder.last_checkpoint or run.resumed
    return TrainResult(
        run_dir=run.directory.path,
        metrics=last_values(read_metrics(run.directory.metrics_file)),
        step=moment.now.step,
        state_path=None if checkpoint is None else checkpoint.state_path,
        sampler_path=None if checkpoint is None else checkpoint.sampler_path,
        end="stopped" if moment.stopped else "complete",
    )


def say_end(run: Run, result: TrainResult) -> None:
    """The last line of a run."""
    run.console.end()
    run.console.say(f"{result.end} after {result.step} steps: {result.run_dir}")
