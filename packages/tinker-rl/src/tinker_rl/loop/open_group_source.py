"""Open the source of groups that the config's mode names."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tinker_rl.config import Asynchronous, Config, Streaming, Synchronous, num_batches
from tinker_rl.data.dataset import RLDataset
from tinker_rl.loop.asynchronous import AsynchronousSource, TrainedGroups
from tinker_rl.loop.group_source import GroupSource, StartTask
from tinker_rl.loop.streaming import StreamingSource
from tinker_rl.loop.synchronous import SynchronousSource
from tinker_train import task_group


@asynccontextmanager
async def open_group_source(
    config: Config, data: RLDataset, position: Mapping[str, int]
) -> AsyncIterator[GroupSource]:
    """The source of groups at the position of a checkpoint. Its tasks end with the block."""
    async with task_group() as tasks:
        running: set[asyncio.Task[object]] = set()

        def start(coroutine: Coroutine[Any, Any, object]) -> None:
            task = tasks.create_task(coroutine)
            running.add(task)
            task.add_done_callback(running.discard)

        yield _source(config, data, position, start)
        for task in running:
            task.cancel()


def _source(
    config: Config, data: RLDataset, position: Mapping[str, int], start: StartTask
) -> GroupSource:
    match config.mode:
        case Synchronous():
            return SynchronousSource(config=config, data=data)
        case Streaming(micro_batches=micro_batches):
            parts = config.update.num_substeps * micro_batches
            return StreamingSource(config=config, data=data, start=start, parts=parts)
        case Asynchronous(max_staleness=max_staleness):
            return AsynchronousSource(
                config=config,
                data=data,
                start=start,
                batches=num_batches(config, data),
                max_staleness=max_staleness,
                trained=TrainedGroups.from_position(position),
            )
