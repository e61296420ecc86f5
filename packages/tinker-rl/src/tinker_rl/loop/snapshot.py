"""Snapshots of the policy, which sample."""

from __future__ import annotations

import tinker
from attrs import define, frozen

from tinker_train import LoopState, engine_errors


@frozen(kw_only=True)
class Snapshot:
    """The policy at a step boundary, ready to sample."""

    sampler: tinker.SamplingClient
    batch: int
    """Batches in its weights."""
    step: int
    """Optimizer steps in its weights."""


@define
class Snapshots:
    """Saves sampler weights, at most once for each step boundary."""

    training: tinker.TrainingClient
    _newest: Snapshot | None = None

    async def newest(self, loop: LoopState) -> Snapshot:
        """The policy with exactly the steps submitted so far. Raises EngineError."""
        if self._newest is None or self._newest.step != loop.step:
            with engine_errors("save_weights_and_get_sampling_client"):
                sampler = await self.training.save_weights_and_get_sampling_client()
            batch = loop.position.get("batch", 0)
            self._newest = Snapshot(sampler=sampler, batch=batch, step=loop.step)
        return self._newest
