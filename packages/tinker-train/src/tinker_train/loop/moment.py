"""Where a run stands between two steps, and what is due there."""

from __future__ import annotations

from collections.abc import Mapping

import tinker
from attrs import field, frozen, validators

from tinker_train.checkpoint.record import CheckpointRecord
from tinker_train.checkpoint.save import SubmittedCheckpoint, submit_checkpoint
from tinker_train.config.cadence import Cadence, Every, Progress, is_due


@frozen(kw_only=True)
class Checkpoints:
    """What is saved, and when. The end of a run is always saved."""

    every: Cadence = field(factory=lambda: Every(steps=20))
    """When a checkpoint to resume from is saved."""
    keep: int | None = field(default=None, validator=validators.optional(validators.ge(1)))
    """How many of them to keep, the newest; without it, all."""
    ttl_seconds: int | None = field(default=None, validator=validators.optional(validators.gt(0)))
    """How long the engine keeps those; without it, for good. The last one has no limit."""


@frozen(kw_only=True)
class EvaluationTimes:
    """When the held-out data is measured; an algorithm's own settings come on top."""

    every: Cadence = field(factory=lambda: Every(steps=10))
    """Between the first step and the last."""
    at_start: bool = True
    """Before the first step."""
    at_end: bool = True
    """After the last step."""


@frozen(kw_only=True)
class Moment:
    """The time after one step and before the next."""

    before: Progress
    """As it was one step earlier; equal to `now` where this process has not made a step yet."""
    now: Progress
    ends: bool
    """Whether no step follows in this process."""
    stopped: bool
    """Whether that is because somebody asked for it, with steps left to make."""
    resumed: bool
    """Whether this process went on from a checkpoint."""

    @property
    def begins(self) -> bool:
        """Whether the run has made no step yet."""
        return self.now.step == 0 and not self.resumed

    @property
    def has_moved(self) -> bool:
        """Whether this process has made a step."""
        return self.now.step > self.before.step


def evaluation_is_due(times: EvaluationTimes, moment: Moment) -> bool:
    """Whether the held-out data is measured at this moment; never twice at the same step."""
    if moment.begins:
        return times.at_start and not moment.ends
    if not moment.has_moved:
        return False
    if moment.ends and not moment.stopped and times.at_end:
        return True
    return is_due(times.every, moment.before, moment.now)


def checkpoint_is_due(checkpoints: Checkpoints, moment: Moment) -> bool:
    """Whether the model is saved at this moment: at the end always, else by the cadence."""
    if not moment.has_moved:
        return False
    return moment.ends or is_due(checkpoints.every, moment.before, moment.now)


def save_if_due(
    training: tinker.TrainingClient,
    checkpoints: Checkpoints,
    moment: Moment,
    position: Mapping[str, int],
) -> SubmittedCheckpoint | None:
    """Ask for the checkpoint of this moment, named after the steps that it contains.

    `position` is where the data goes on. At the end, weights to sample from are saved too.
    """
    if not checkpoint_is_due(checkpoints, moment):
        return None
    record = CheckpointRecord(
        name=f"{moment.now.step:06d}",
        progress=moment.now,
        position=position,
        final=moment.ends and not moment.stopped,
    )
    return submit_checkpoint(
        training,
        record,
        sampler=moment.ends,
        ttl_seconds=None if moment.ends else checkpoints.ttl_seconds,
    )
