"""The recorder writes metrics rows and checkpoint records in the order of the steps.

A row is written when the result of its step and all evaluations at it have arrived. A checkpoint is
recorded after the rows of all steps that it contains. A slow evaluation holds up rows, but never
the loop, which waits for steps alone.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping

from attrs import define, field

from tinker_train.checkpoint.record import CheckpointRecord
from tinker_train.checkpoint.retention import delete_old
from tinker_train.checkpoint.save import SubmittedCheckpoint, finish_checkpoint
from tinker_train.metrics.rows import Metrics, PendingMetrics, merge_metrics
from tinker_train.run.open import Run


@define
class Row:
    """One row of metrics.jsonl while its parts arrive."""

    step: int
    parts: list[asyncio.Task[Metrics]] = field(factory=list)
    checkpoints: list[SubmittedCheckpoint] = field(factory=list)


@define
class Recorder:
    """Collects rows and checkpoints of a run. Its tasks belong to the loop's task group."""

    run: Run
    tasks: asyncio.TaskGroup
    keep: int | None = None
    """Number of checkpoints to keep that serve a resume alone; None keeps all."""
    last_checkpoint: CheckpointRecord | None = None
    _row: Row | None = None
    _in_flight: deque[asyncio.Task[Metrics]] = field(factory=deque)
    _writing: asyncio.Task[None] | None = None
    _last_result: float = field(factory=time.monotonic)

    def open_row(self, step: int) -> None:
        """Begin the row of a step; the row before it is complete."""
        self.close_row()
        self._row = Row(step)

    def add_result(self, result: PendingMetrics, extra: Mapping[str, float] | None = None) -> None:
        """Add the result of a step to the open row, and `extra` metrics beside it.

        The row gets the step's time and, with `num_tokens` in the result, tokens per second.
        """
        arrival = self.tasks.create_task(result)
        step = self._open.step
        task = self.tasks.create_task(self._timed(arrival, dict(extra or {}), step))
        self._in_flight.append(task)
        self._open.parts.append(task)

    def add(self, measured: PendingMetrics) -> None:
        """Add metrics to the open row that are measured beside training."""
        self._open.parts.append(self.tasks.create_task(measured))

    def add_checkpoint(self, checkpoint: SubmittedCheckpoint) -> None:
        """Record a checkpoint right after the open row."""
        self._open.checkpoints.append(checkpoint)

    def close_row(self) -> None:
        """Write the open row when its parts have arrived and the rows before it are written."""
        if self._row is not None:
            row, self._row = self._row, None
            self._writing = self.tasks.create_task(self._write(row, self._writing))

    async def wait_for_room(self, submit_ahead: int) -> None:
        """Wait until at most `submit_ahead` steps are in flight."""
        while len(self._in_flight) > submit_ahead:
            await self._in_flight.popleft()

    async def settle(self) -> None:
        """Write everything added so far, and wait for it. The open row stays open, empty."""
        if self._row is not None:
            self.open_row(self._row.step)
        if self._writing is not None:
            await self._writing

    @property
    def _open(self) -> Row:
        if self._row is None:
            raise RuntimeError("no row is open: call open_row first")
        return self._row

    async def _timed(self, result: asyncio.Task[Metrics], extra: Metrics, step: int) -> Metrics:
        metrics = await result
        now = time.monotonic()
        seconds, self._last_result = now - self._last_result, now
        speed = {"time/step": seconds}
        if "num_tokens" in metrics:
            speed["tokens_per_second"] = metrics["num_tokens"] / max(seconds, 1e-9)
        return merge_metrics(f"step {step}", extra, metrics, speed)

    async def _write(self, row: Row, before: asyncio.Task[None] | None) -> None:
        parts = [await part for part in row.parts]
        metrics = merge_metrics(f"step {row.step}", *parts)
        if before is not None:
            await before
        if metrics:
            self.run.sinks.log_metrics(metrics, row.step)
            self.run.console.step(row.step, metrics)
        for checkpoint in row.checkpoints:
            file = self.run.directory.checkpoints_file
            self.last_checkpoint = await finish_checkpoint(checkpoint, file)
            delete = None if self.run.engine is None else self.run.engine.delete_checkpoint
            if self.keep is not None and delete is not None:
                await delete_old(file, self.keep, delete)
