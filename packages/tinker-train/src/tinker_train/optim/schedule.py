"""Learning-rate schedules: the factor of the peak learning rate at each step.

With `total` steps, numbered from 0, of which w are warm-up:

    warm-up    (step + 1) / (w + 1)       for step < w, so that no step has rate 0
    constant   1
    linear     from 1 at step w to `end` at step total - 1
    cosine     the same two ends, on half a cosine (Loshchilov and Hutter, 2017, no restarts)

The factor of the last step is `end`, also if that is 0, unless it is the only step after warm-up:
its factor is 1.
"""

from __future__ import annotations

import math

from attrs import field, frozen, validators

from tinker_core import ConfigError

_not_negative = validators.ge(0)


@frozen(kw_only=True)
class Constant:
    """The peak rate after warm-up."""

    warmup_steps: int = field(default=0, validator=_not_negative)
    """Number of warm-up steps, in which the rate rises to its peak."""


@frozen(kw_only=True)
class Linear:
    """Linear decay from the peak to `end` at the last step."""

    end: float = field(default=0.0, validator=[validators.ge(0.0), validators.le(1.0)])
    """Factor of the peak rate at the last step, 0 to 1."""
    warmup_steps: int = field(default=0, validator=_not_negative)
    """Number of warm-up steps, in which the rate rises to its peak."""


@frozen(kw_only=True)
class Cosine:
    """Cosine decay from the peak to `end` at the last step."""

    end: float = field(default=0.0, validator=[validators.ge(0.0), validators.le(1.0)])
    """Factor of the peak rate at the last step, 0 to 1."""
    warmup_steps: int = field(default=0, validator=_not_negative)
    """Number of warm-up steps, in which the rate rises to its peak."""


Schedule = Constant | Linear | Cosine


def lr_multiplier(schedule: Schedule, step: int, total_steps: int | None) -> float:
    """The factor at `step`, which counts from 0.

    Only a constant schedule accepts `total_steps=None`, an unknown length. Raises ConfigError for
    another schedule, for a step outside the run, and for a warm-up as long as the run.
    """
    warmup = schedule.warmup_steps
    if total_steps is None and not isinstance(schedule, Constant):
        name = type(schedule).__name__
        raise ConfigError(
            f"a {name} schedule needs the number of steps, which the data does not tell: "
            "set max_steps"
        )
    if total_steps is not None and not 0 <= step < total_steps:
        raise ConfigError(f"step {step} is outside a run of {total_steps} steps")
    if total_steps is not None and warmup >= total_steps:
        raise ConfigError(f"{warmup} warm-up steps do not fit into {total_steps} steps")
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if isinstance(schedule, Constant) or total_steps is None:
        return 1.0
    way = (step - warmup) / max(total_steps - 1 - warmup, 1)
    if isinstance(schedule, Cosine):
        way = (1 - math.cos(math.pi * way)) / 2
    return (1.0 - way) + schedule.end * way  # exactly `end` at way 1
