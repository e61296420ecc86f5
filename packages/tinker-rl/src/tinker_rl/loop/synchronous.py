"""Synchronous sampling: all groups of a batch, with the newest weights.

Every sample comes from the weights that its gradient is taken at. The ratio of a loss is therefore
1, up to the difference between sampler and trainer, until a batch has a second optimizer step. All
random numbers come from the seed and the place (batch, group, episode, attempt, turn), so a run
that was interrupted and resumed equals one that was not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

from attrs import define, field

from tinker_rl.config import Config
from tinker_rl.data.dataset import RLDataset
from tinker_rl.loop.group_source import sample_group
from tinker_rl.loop.snapshot import Snapshot
from tinker_rl.trajectory import TrajectoryGroup
from tinker_train import gather


@define(kw_only=True)
class SynchronousSource:
    """A `GroupSource` that waits for all groups of a batch."""

    config: Config
    data: RLDataset
    parts: int = 1
    position: Mapping[str, int] = field(factory=dict)

    async def batch(
        self, index: int, snapshot: Snapshot
    ) -> AsyncIterator[Sequence[TrajectoryGroup]]:
        """All groups at once, in the order of the data."""
        builders_P = self.data.get_batch(index % len(self.data))
        groups = (
            sample_group(self.config, snapshot, builder, (index, p))
            for p, builder in enumerate(builders_P)
        )
        yield await gather(groups, limit=self.config.rollouts.max_concurrent_groups)
