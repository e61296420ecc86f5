"""The interface of the sources of groups: where the loop gets the groups of its next batch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol

from attrs import evolve

from tinker_rl.completers import EngineTokenCompleter
from tinker_rl.config import Config
from tinker_rl.envs.env import EnvGroupBuilder
from tinker_rl.loop.snapshot import Snapshot
from tinker_rl.rollout.group import run_group
from tinker_rl.trajectory import TrajectoryGroup

TRAINING, TESTING = 0, 1
"""The second index of a place: groups to train on, and groups of the test set."""

Key = tuple[int, int]
"""A group of the run: the index of its batch, and its index in the batch."""

StartTask = Callable[[Coroutine[Any, Any, object]], None]
"""Starts a background task of the source. Its errors end the loop."""


class GroupSource(Protocol):
    """Samples the groups of one batch after the other."""

    parts: int
    """Number of parts in which the groups of a batch arrive."""

    @property
    def position(self) -> Mapping[str, int]:
        """The state that a resumed run needs beside the index of the next batch."""
        ...

    def batch(self, index: int, snapshot: Snapshot) -> AsyncIterator[Sequence[TrajectoryGroup]]:
        """The groups of the batch that is trained on next, part by part.

        `snapshot` is the policy now. Groups may be older, as far as the mode allows it.
        """
        ...


async def sample_group(
    config: Config, snapshot: Snapshot, builder: EnvGroupBuilder, key: Key
) -> TrajectoryGroup:
    """One group of the training data. Its key seeds it."""
    policy = EngineTokenCompleter(snapshot.sampler, config.sampling)
    place = (config.seed, TRAINING, *key)
    group = await run_group(policy, builder, config.rollouts, place)
    return evolve(group, sampler_step=snapshot.step)
