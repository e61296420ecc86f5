"""Seeds for sampling: a function of the run's seed and the place, never of a global generator."""

from __future__ import annotations

import numpy as np

Place = tuple[int, ...]
"""The run's seed, then a path of indices: batch, group, episode, attempt, turn."""


def seed_at(place: Place) -> int:
    """The seed of a place, 0 to 2**31 - 1. Seeds of different places are independent."""
    return int(np.random.SeedSequence(place).generate_state(1)[0]) >> 1
