"""Writes down what comes back from the engine, in the order of the steps, while the loop goes on.

A row is written when the step has come back and so has everything that was measured at it; a
checkpoint is recorded after the rows of all steps that it contains. However long something takes
that is measured beside training, the loop waits for steps alone.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Coroutine, Sequence
from typing import Any

from attrs import define, field

from tinker_train.checkpoint.record import CheckpointRecord
from tinker_train.checkpoint.retention import forget_old
from tinker_train.checkpoint.save import SubmittedCheckpoint, finish_checkpoint
from tinker_train.metrics.sink import Metrics
from tinker_train.run.open import Run

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
            if self.keep is not None and self.run.forget is not None:
                await forget_old(file, self.keep, self.run.forget)
