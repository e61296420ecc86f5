"""Streaming: train on the first groups of a batch while the last are still sampled.

Sampling a batch ends with its slowest episodes. Here the gradient is accumulated meanwhile: the
groups are handed out in parts, in the order in which they finish, and each part is a micro-batch.
All groups are sampled with the same weights.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

from attrs import define, field

from tinker_rl.config import Config
from tinker_rl.data.dataset import RLDataset
from tinker_rl.envs.env import EnvGroupBuilder
from tinker_rl.errors import AllEpisodesFailedError
from tinker_rl.loop.group_source import Key, StartTask, sample_group
from tinker_rl.loop.snapshot import Snapshot
from tinker_rl.trajectory import TrajectoryGroup
from tinker_train import gather


@define(kw_only=True)
class StreamingSource:
    """A `GroupSource` that hands out groups as they finish."""

    config: Config
    data: RLDataset
    start: StartTask
    parts: int
    position: Mapping[str, int] = field(factory=dict)

    async def batch(
        self, index: int, snapshot: Snapshot
    ) -> AsyncIterator[Sequence[TrajectoryGroup]]:
        """Equal parts of the batch, up to one group; some are empty if there are few groups."""
        builders_P = self.data.get_batch(index % len(self.data))
        if not builders_P:
            raise AllEpisodesFailedError(f"batch {index} has no groups")
        finished: asyncio.Queue[TrajectoryGroup] = asyncio.Queue()

        async def sample(builder: EnvGroupBuilder, key: Key) -> None:
            finished.put_nowait(await sample_group(self.config, snapshot, builder, key))

        sampling = (sample(builder, (index, p)) for p, builder in enumerate(builders_P))
        limit = self.config.rollouts.max_concurrent_groups
        self.start(gather(sampling, limit=limit))
        taken = 0
        for part in range(1, self.parts + 1):
            end = round(part * len(builders_P) / self.parts)
            yield [await finished.get() for _ in range(taken, end)]
            taken = end
