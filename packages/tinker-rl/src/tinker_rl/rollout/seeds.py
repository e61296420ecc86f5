"""Random numbers that depend on the run's seed and on the place, and on nothing else."""

from __future__ import annotations

import numpy as np

Place = tuple[int, ...]
"""The run's seed, then where: step, group, episode, turn, ..."""


def seed_at(place: Place) -> int:
    """A seed for the place, 0 to 2**31 - 1; neighbouring places have nothing in common."""
    return int(np.random.SeedSequence(place).generate_state(1)[0]) >> 1
