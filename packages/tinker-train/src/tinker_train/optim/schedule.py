"""Learning-rate schedules: what the peak rate is multiplied by at each step.

With `total` steps, numbered from 0, and w of them for warm-up:

    warm-up    (step + 1) / (w + 1)       for step < w, so that no step is wasted at zero
    constant   1
    linear     from 1 at step w to `end` at step total - 1, in a straight line
    cosine     the same two ends, on half a cosine (Loshchilov and Hutter, 2017, no restarts)

The last step has exactly `end`, also when it is zero.
"""

from __future__ import annotations

import math

from attrs import field, frozen, validators

from tinker_core import ConfigError

_not_negative = validators.ge(0)


@frozen(kw_only=True)
class Constant:
    """The peak rate at every step after warm-up."""

    warmup_steps: int = field(default=0, validator=_not_negative)
    """Steps over which the rate rises to its peak."""


@frozen(kw_only=True)
class Linear:
    """A straight line from the peak down to `end` at the last step."""

    end: float = field(default=0.0, validator=[validators.ge(0.0), validators.le(1.0)])
    """What is left of the peak at the last step, 0 to 1."""
    warmup_steps: int = field(default=0, validator=_not_negative)
    """Steps over which the rate rises to its peak."""


@frozen(kw_only=True)
class Cosine:
    """Half a cosine from the peak down to `end` at the last step."""

    end: float = field(default=0.0, validator=[validators.ge(0.0), validators.le(1.0)])
    """What is left of the peak at the last step, 0 to 1."""
    warmup_steps: int = field(default=0, validator=_not_negative)
    """Steps over which the rate rises to its peak."""


Schedule = Constant | Linear | Cosine


def lr_multiplier(schedule: Schedule, step: int, total_steps: int | None) -> float:
    """The factor for `step`, which counts from 0.

    `total_steps=None`, a run whose length nobody knows, is for a constant schedule alone. Raises
    ConfigError for another, for a step outside the run, and for a warm-up as long as the run.
    """
    warmup = schedule.warmup_steps
    if total_steps is None and not isinstance(schedule, Constant):
        name = type(schedule).__name__
        raise ConfigError(
            f"a {name} schedule needs to know how many steps there are: set max_steps"
        )
    if total_steps is not None and not 0 <= step < total_steps:
        raise ConfigError(f"step {step} is not one of a run of {total_steps} steps")
    if total_steps is not None and warmup >= total_steps:
        raise ConfigError(f"{warmup} warm-up steps do not fit into {total_steps} steps")
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if isinstance(schedule, Constant) or total_steps is None:
        return 1.0
    way = (step - warmup) / max(total_steps - 1 - warmup, 1)
    if isinstance(schedule, Cosine):
        way = (1 - math.cos(math.pi * way)) / 2
    return 1.0 + (schedule.end - 1.0) * way
