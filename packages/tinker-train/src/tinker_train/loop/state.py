"""The state of a training loop: its step, tokens, seconds and data position, and what is due now.

A loop on it reads like pseudocode. `examples/sl_loop.py` does the same by hand.

    async with loop_state(run, training, config, total_steps=100) as loop:
        for batch in loop.until_end(batches):
            step = submit_step(training, batch.datums, loop.adam_params())
            loop.advance(metrics(step), tokens=batch.num_tokens, position=batch.after)
            if loop.evaluation_due():
                loop.record(evaluate(training))
            if loop.checkpoint_due():
                loop.save()
            await loop.wait_for_room(1)
    return loop.result()

The engine runs the calls of a training client in the order of their submission. An evaluation or a
save submitted at a step boundary therefore sees exactly the steps before it, although the loop does
not wait for them.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import tinker
from attrs import define, field

from tinker_train.checkpoint.record import CheckpointRecord
from tinker_train.checkpoint.save import SubmittedCheckpoint, submit_checkpoint
from tinker_train.concurrency import task_group
from tinker_train.config.cadence import Progress, is_due
from tinker_train.log.trace import scope, timed
from tinker_train.loop.early_stopping import reason_to_stop
from tinker_train.loop.recorder import Recorder
from tinker_train.metrics.rows import PendingMetrics, last_values, read_metrics
from tinker_train.optim.adam import adam_params
from tinker_train.optim.schedule import lr_multiplier
from tinker_train.run.config import RunConfig
from tinker_train.run.open import Run
from tinker_train.run.result import End, TrainResult

B = TypeVar("B")
_NONE: Any = object()


@asynccontextmanager
async def loop_state(
    run: Run, training: tinker.TrainingClient, config: RunConfig, *, total_steps: int | None
) -> AsyncIterator[LoopState]:
    """The state of a loop that begins, or that continues after the checkpoint `run.resumed`.

    `total_steps` is the length of the whole run, resumed steps included; None where only the end of
    the data tells. At the end of the block everything submitted has come back and is written down.
    Raises ConfigError for a schedule that does not fit the run.
    """
    lr_multiplier(config.schedule, 0, total_steps)
    async with task_group() as tasks:
        recorder = Recorder(run, tasks, keep=config.checkpoints.keep)
        loop = LoopState(
            run=run, training=training, config=config, total_steps=total_steps, recorder=recorder
        )
        run.console.begin(total_steps=total_steps, done=loop.step)
        recorder.open_row(loop.step)
        yield loop
        recorder.close_row()
    loop.end = loop.end or "stopped"  # the loop was left by a `break`
    run.console.end()
    run.console.say(f"{loop.end} after {loop.step} steps: {run.directory.path}")


@define(kw_only=True)
class LoopState:
    """The state of a training loop between two steps, and the actions that are due there."""

    run: Run
    training: tinker.TrainingClient
    config: RunConfig
    total_steps: int | None
    _recorder: Recorder
    progress: Progress = field(init=False)
    """Steps, tokens and seconds of the whole run, those before a resume included."""
    position: Mapping[str, int] = field(init=False)
    """The position in the data after the last step."""
    extra_metrics: dict[str, float] = field(init=False, factory=dict)
    """Metrics for the row of the next step, beside those of its result."""
    end: End | None = field(init=False, default=None)
    """The end of the loop; None while a step follows."""
    _previous: Progress = field(init=False)
    """The progress one step boundary earlier; equal to `progress` before this process's first."""
    _began: float = field(init=False)
    _batches: Iterator[Any] | None = field(init=False, default=None)
    _next_batch: Any = field(init=False, default=_NONE)

    def __attrs_post_init__(self) -> None:
        resumed = self.run.resumed
        self.progress = self._previous = Progress() if resumed is None else resumed.progress
        self.position = {} if resumed is None else resumed.position
        self._began = time.monotonic() - self.progress.seconds

    @property
    def step(self) -> int:
        """Optimizer steps submitted, those before a resume included."""
        return self.progress.step

    def adam_params(self, ahead: int = 0) -> tinker.AdamParams:
        """The optimizer settings of the next step, or of the one `ahead` steps after it."""
        multiplier = lr_multiplier(self.config.schedule, self.step + ahead, self.total_steps)
        return adam_params(self.config.adam, multiplier)

    def until_end(self, batches: Iterable[B]) -> Iterator[B]:
        """The batches, until the run has its steps, the data ends, or somebody asks to stop.

        The next batch is fetched as soon as the loop asks what is due after a step, so that the
        engine works meanwhile, and so that the loop knows whether the step was the last.
        """
        self._batches = iter(batches)
        self._recorder.close_row()
        while not self._is_last_step():
            batch, self._next_batch = self._next_batch, _NONE
            yield batch
            self._recorder.close_row()

    def advance(
        self,
        result: PendingMetrics,
        *,
        tokens: int,
        position: Mapping[str, int],
        steps: int = 1,
    ) -> None:
        """Count a step that was submitted, or several, and record its result when it arrives.

        `tokens` were sent to training, and the data continues at `position`.
        """
        metrics, self.extra_metrics = self.extra_metrics, {}
        metrics["learning_rate"] = self.adam_params().learning_rate
        self._previous = self.progress
        self.progress = Progress(
            step=self.step + steps,
            tokens=self.progress.tokens + tokens,
            seconds=time.monotonic() - self._began,
        )
        self.position = position
        self._recorder.open_row(self.step)
        self._recorder.add_result(result, metrics)

    def record(self, *measured: PendingMetrics) -> None:
        """Add evaluations, submitted at this step boundary, to the row of the last step."""
        for each in measured:
            self._recorder.add(each)

    def evaluation_due(self) -> bool:
        """True if the model is to be evaluated at this step boundary."""
        times, ends = self.config.evaluation, self._is_last_step()
        if self.step == 0 and self.run.resumed is None:
            return times.at_start and not ends
        if not self._has_advanced:
            return False
        if self.end == "complete" and times.at_end:
            return True
        return is_due(times.every, self._previous, self.progress)

    def checkpoint_due(self) -> bool:
        """True if a checkpoint is to be saved at this step boundary: by the cadence, or the end."""
        ends = self._is_last_step()
        if not self._has_advanced:
            return False
        return ends or is_due(self.config.checkpoints.every, self._previous, self.progress)

    def save(self) -> SubmittedCheckpoint:
        """Submit a checkpoint of exactly the steps so far: state, and weights to sample from.

        It is recorded after the rows of all its steps.
        """
        ends = self._is_last_step()
        record = CheckpointRecord(
            name=f"{self.step:06d}",
            progress=self.progress,
            position=self.position,
            metadata={**self.run.metadata, "step": str(self.step)},
            final=self.end == "complete",
        )
        checkpoint = submit_checkpoint(
            self.training,
            record,
            sampler=ends or self.config.checkpoints.sampler_weights,
            ttl_seconds=None if ends else self.config.checkpoints.ttl_seconds,
        )
        self._recorder.add_checkpoint(checkpoint)
        return checkpoint

    async def stop_early(self) -> None:
        """End the loop if the evaluations so far say so; waits for those that are running.

        Raises ConfigError for a metric of early stopping that nothing reports.
        """
        if self.config.evaluation.patience is None:
            return
        await self._recorder.settle()
        rows = read_metrics(self.run.directory.metrics_file)
        reason = reason_to_stop(self.config.evaluation, rows)
        if reason is not None and self.step > 0:
            self.run.console.say(f"early stopping: {reason}")
            self.end, self._next_batch = "complete", _NONE

    async def wait_for_room(self, submit_ahead: int) -> None:
        """End the step boundary, and wait until at most `submit_ahead` steps are in flight."""
        self._recorder.close_row()
        with scope("wait"):
            await self._recorder.wait_for_room(submit_ahead)

    def result(self) -> TrainResult:
        """The result of the run; call it after the block of `loop_state`."""
        checkpoint = self._recorder.last_checkpoint or self.run.resumed
        return TrainResult(
            run_dir=self.run.directory.path,
            metrics=last_values(read_metrics(self.run.directory.metrics_file)),
            step=self.step,
            state_path=None if checkpoint is None else checkpoint.state_path,
            sampler_path=None if checkpoint is None else checkpoint.sampler_path,
            end=self.end or "stopped",
            stop_signal=self.run.stop.reason if self.end == "stopped" else None,
        )

    @property
    def _has_advanced(self) -> bool:
        return self.step > self._previous.step

    def _is_last_step(self) -> bool:
        """True if no step follows; fetches the next batch to find out."""
        if self.end is None and self._next_batch is _NONE:
            resumed = self.run.resumed
            if self.step == self.total_steps or (resumed is not None and resumed.final):
                self.end = "complete"
            elif self.run.stop.is_made:
                self.end = "stopped"
            elif self._batches is not None:
                with timed("data", self.extra_metrics), scope("data"):
                    self._next_batch = next(self._batches, _NONE)
                if self._next_batch is _NONE:
                    self.end = "complete"
        return self.end is not None
