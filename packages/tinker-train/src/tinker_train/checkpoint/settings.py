"""Settings of a run's checkpoints."""

from __future__ import annotations

from attrs import field, frozen, validators

from tinker_train.config.cadence import Cadence, Every


@frozen(kw_only=True)
class Checkpoints:
    """The cadence and the retention of checkpoints. The end of a run is always saved."""

    every: Cadence = field(factory=lambda: Every(steps=20))
    """Cadence of the checkpoints to resume from."""
    sampler_weights: bool = True
    """Save weights to sample from with each of them, and not only at the end of the run."""
    keep: int | None = field(default=None, validator=validators.optional(validators.ge(1)))
    """Number of these checkpoints to keep, the newest; absent: all."""
    ttl_seconds: int | None = field(default=None, validator=validators.optional(validators.gt(0)))
    """Seconds until the engine deletes them; absent: never. The last checkpoint never expires."""
