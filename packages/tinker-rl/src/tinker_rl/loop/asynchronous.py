"""Asynchronous sampling: groups are sampled while others are trained on, within a bound on age.

With B_s the groups of batch s, m the bound, and version v the batches trained on so far:

    A group of batch s may begin when v >= s - m, with the newest weights.
    Step s first takes every group begun at version s - m or before, and waits for those that are
    not finished. It fills up to B_s with whichever other groups finished first.

By the first rule, at most B_0 + ... + B_s groups have begun at versions up to s - m. The steps
before s have taken B_0 + ... + B_(s-1) groups, those first. The groups that must be taken therefore
fit into step s: no group is older than m, none is dropped, none is sampled twice. m = 0 is
synchronous sampling. A checkpoint records which groups have been trained on; a resumed run samples
the others again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any, Self

from attrs import define, field

from tinker_rl.config import Config
from tinker_rl.data.dataset import RLDataset
from tinker_rl.envs.env import EnvGroupBuilder
from tinker_rl.loop.group_source import Key, StartTask, sample_group
from tinker_rl.loop.snapshot import Snapshot
from tinker_rl.trajectory import TrajectoryGroup
from tinker_train import gather


@define
class TrainedGroups:
    """The groups that have been trained on: all of the batches before `low`, and `others`."""

    low: int = 0
    others: set[Key] = field(factory=set)

    @classmethod
    def from_position(cls, position: Mapping[str, int]) -> Self:
        """Read the position of a checkpoint."""
        names = [name.split("/") for name in position if name.startswith("trained/")]
        return cls(position.get("low", 0), {(int(b), int(p)) for _, b, p in names})

    @property
    def position(self) -> dict[str, int]:
        """The position to save in a checkpoint."""
        return {"low": self.low, **{f"trained/{b}/{p}": 1 for b, p in sorted(self.others)}}

    def __contains__(self, key: Key) -> bool:
        return key[0] < self.low or key in self.others

    def add(self, key: Key, size_of: Callable[[int], int]) -> None:
        """Add a group. `size_of` returns the number of groups of a batch."""
        self.others.add(key)
        while self.others and self.others >= (batch := self._lowest_batch(size_of(self.low))):
            self.others -= batch
            self.low += 1

    def _lowest_batch(self, size: int) -> set[Key]:
        return {(self.low, p) for p in range(size)}


@define(kw_only=True)
class AsynchronousSource:
    """A `GroupSource` that samples ahead."""

    config: Config
    data: RLDataset
    start: StartTask
    batches: int
    """Batches in the whole run."""
    max_staleness: int
    trained: TrainedGroups = field(factory=TrainedGroups)
    parts: int = 1
    _newest: Snapshot | None = None
    _begun: dict[Key, int] = field(factory=dict)
    """The version at which each group began that is sampled or waits to be trained on."""
    _finished: dict[Key, TrajectoryGroup] = field(factory=dict)
    """Groups that wait to be trained on, in the order of finishing."""
    _change: asyncio.Condition = field(factory=asyncio.Condition)
    _is_sampling: bool = False

    async def batch(
        self, index: int, snapshot: Snapshot
    ) -> AsyncIterator[Sequence[TrajectoryGroup]]:
        """The groups of a batch; none is older than the bound."""
        async with self._change:
            self._newest = snapshot
            self._change.notify_all()
        if not self._is_sampling:
            self._is_sampling = True
            limit = self.config.rollouts.max_concurrent_groups
            self.start(gather(self._samplings(), limit=limit))
        yield await self._take(index)

    @property
    def position(self) -> Mapping[str, int]:
        """The groups that have been trained on."""
        return self.trained.position

    async def _take(self, version: int) -> list[TrajectoryGroup]:
        size = len(self._builders(version))

        def oldest() -> list[Key]:
            return [key for key, at in self._begun.items() if at <= version - self.max_staleness]

        def is_ready() -> bool:
            return len(self._finished) >= size and self._finished.keys() >= set(oldest())

        async with self._change:
            await self._change.wait_for(is_ready)
            first = oldest()
            keys = [*first, *(key for key in self._finished if key not in first)][:size]
            for key in keys:
                del self._begun[key]
                self.trained.add(key, lambda batch: len(self._builders(batch)))
            return [self._finished.pop(key) for key in keys]

    def _samplings(self) -> Iterator[Coroutine[Any, Any, None]]:
        """One coroutine for each group that has not been trained on."""
        for batch in range(self.trained.low, self.batches):
            for p, builder in enumerate(self._builders(batch)):
                if (batch, p) not in self.trained:
                    yield self._sample(builder, (batch, p))

    async def _sample(self, builder: EnvGroupBuilder, key: Key) -> None:
        async with self._change:
            await self._change.wait_for(lambda: self._may_begin(key))
            assert self._newest is not None
            snapshot = self._newest
            self._begun[key] = snapshot.batch
        group = await sample_group(self.config, snapshot, builder, key)
        async with self._change:
            self._finished[key] = group
            self._change.notify_all()

    def _may_begin(self, key: Key) -> bool:
        newest = self._newest
        return newest is not None and newest.batch >= key[0] - self.max_staleness

    def _builders(self, batch: int) -> Sequence[EnvGroupBuilder]:
        return self.data.get_batch(batch % len(self.data))
