"""The groups of an asynchronous run: under way, waiting, or trained on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Self

import tinker
from attrs import define, evolve, field, frozen

from tinker_rl.completers import EngineTokenCompleter
from tinker_rl.config import Config
from tinker_rl.data.dataset import RLDataset
from tinker_rl.envs.env import EnvGroupBuilder
from tinker_rl.loops.loop import TRAINING
from tinker_rl.rollout.group import run_group
from tinker_rl.trajectory import TrajectoryGroup
from tinker_train import task_group

Key = tuple[int, int]
"""A group of the run: its batch, and its place in that."""


@define
class Trained:
    """The groups that have been trained on: all of the batches before `low`, and some others."""

    low: int = 0
    others: set[Key] = field(factory=set)

    @classmethod
    def at(cls, position: Mapping[str, int]) -> Self:
        """What a checkpoint's position says; nothing where it says nothing."""
        names = [name.split("/") for name in position if name.startswith("trained/")]
        return cls(position.get("low", 0), {(int(b), int(p)) for _, b, p in names})

    def position(self) -> dict[str, int]:
        """The same for a checkpoint."""
        return {"low": self.low, **{f"trained/{b}/{p}": 1 for b, p in sorted(self.others)}}

    def add(self, key: Key, size_of: Callable[[int], int]) -> None:
        """One more; `size_of` says how many groups a batch has."""
        self.others.add(key)
        while self.others and self.others >= (whole := self._lowest_batch(size_of(self.low))):
            self.others -= whole
            self.low += 1

    def _lowest_batch(self, size: int) -> set[Key]:
        return {(self.low, place) for place in range(size)}


@frozen
class _Newest:
    sampler: tinker.SamplingClient
    version: int
    """Batches trained on."""
    step: int
    """Optimizer steps."""


@define(kw_only=True)
class Pool:
    """Begins groups and hands out finished ones, by the rules of the asynchronous loop."""

    config: Config
    data: RLDataset
    batches: int
    max_staleness: int
    trained: Trained = field(factory=Trained)
    _newest: _Newest | None = None
    _begun: dict[Key, int] = field(factory=dict)
    """Of the groups under way or waiting: the version that they began at."""
    _finished: dict[Key, TrajectoryGroup] = field(factory=dict)
    """Those that wait, in the order of finishing."""
    _change: asyncio.Condition = field(factory=asyncio.Condition)

    async def publish(self, sampler: tinker.SamplingClient, *, version: int, step: int) -> None:
        """Groups that begin from now on are sampled with these weights."""
        async with self._change:
            self._newest = _Newest(sampler, version, step)
            self._change.notify_all()

    async def take(self, version: int) -> list[TrajectoryGroup]:
        """The groups to train on after `version` batches; waits for those that it has to have."""
        size = len(self._batch(version))

        def musts() -> list[Key]:
            oldest = version - self.max_staleness
            return [key for key, begun in self._begun.items() if begun <= oldest]

        def is_ready() -> bool:
            return len(self._finished) >= size and self._finished.keys() >= set(musts())

        async with self._change:
            await self._change.wait_for(is_ready)
            first = musts()
            keys = [*first, *(key for key in self._finished if key not in first)][:size]
            for key in keys:
                del self._begun[key]
                self.trained.add(key, lambda batch: len(self._batch(batch)))
            return [self._finished.pop(key) for key in keys]

    async def sample(self) -> None:
        """Begin each group that is left as soon as it may, and end with the last one."""
        free = asyncio.Semaphore(self.config.rollouts.max_concurrent_groups)
        async with task_group() as tasks:
            for batch in range(self.trained.low, self.batches):
                for place, builder in enumerate(self._batch(batch)):
                    key = (batch, place)
                    if key in self.trained.others or batch < self.trained.low:
                        continue
                    await free.acquire()
                    newest = await self._sampler_for(batch)
                    self._begun[key] = newest.version
                    running = tasks.create_task(self._run(key, builder, newest))
                    running.add_done_callback(lambda _: free.release())

    async def _sampler_for(self, batch: int) -> _Newest:
        def may_begin() -> bool:
            newest = self._newest
            return newest is not None and newest.version >= batch - self.max_staleness

        async with self._change:
            await self._change.wait_for(may_begin)
            assert self._newest is not None
            return self._newest

    async def _run(self, key: Key, builder: EnvGroupBuilder, newest: _Newest) -> None:
        policy = EngineTokenCompleter(newest.sampler, self.config.sampling)
        place = (self.config.seed, TRAINING, *key)
        group = await run_group(policy, builder, self.config.rollouts, place)
        async with self._change:
            self._finished[key] = evolve(group, sampler_step=newest.step)
            self._change.notify_all()

    def _batch(self, index: int) -> Sequence[EnvGroupBuilder]:
        return self.data.get_batch(index % len(self.data))
