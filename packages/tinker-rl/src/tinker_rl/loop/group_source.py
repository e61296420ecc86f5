"""The interface of the sources of groups: where the loop gets the groups of its next batch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol

import tinker
from attrs import evolve, frozen

from tinker_rl.completers import EngineTokenCompleter
from tinker_rl.config import Config
from tinker_rl.envs.env import EnvGroupBuilder
from tinker_rl.rollout.group import run_group
from tinker_rl.trajectory import TrajectoryGroup
from tinker_train import engine_errors

TRAINING, TESTING = 0, 1
"""The second index of a place: groups to train on, and groups of the test set."""

Key = tuple[int, int]
"""A group of the run: the index of its batch, and its index in the batch."""

StartTask = Callable[[Coroutine[Any, Any, object]], None]
"""Starts a background task of the source. Its errors end the loop."""


@frozen(kw_only=True)
class Snapshot:
    """The policy at a step boundary, ready to sample."""

    sampler: tinker.SamplingClient
    batch: int
    """Batches in its weights."""
    step: int
    """Optimizer steps in its weights."""


class GroupSource(Protocol):
    """Samples the groups of one batch after the other."""

    parts: int
    """Number of parts in which the groups of a batch arrive."""

    @property
    def position(self) -> Mapping[str, int]:
        """What a resumed run needs to know beside the index of the next batch."""
        ...

    def batch(self, index: int, snapshot: Snapshot) -> AsyncIterator[Sequence[TrajectoryGroup]]:
        """The groups of the batch that is trained on next, part by part.

        `snapshot` is the policy now. Groups may be older, as far as the mode allows it.
        """
        ...


async def take_snapshot(training: tinker.TrainingClient, *, batch: int, step: int) -> Snapshot:
    """Save sampler weights that contain exactly the steps submitted so far."""
    with engine_errors("save_weights_and_get_sampling_client"):
        sampler: tinker.SamplingClient = await training.save_weights_and_get_sampling_client()
    return Snapshot(sampler=sampler, batch=batch, step=step)


async def sample_group(
    config: Config, snapshot: Snapshot, builder: EnvGroupBuilder, key: Key
) -> TrajectoryGroup:
    """One group of the training data. Its key seeds it."""
    policy = EngineTokenCompleter(snapshot.sampler, config.sampling)
    place = (config.seed, TRAINING, *key)
    group = await run_group(policy, builder, config.rollouts, place)
    return evolve(group, sampler_step=snapshot.step)
