"""Token sequences and batches that fit any vocabulary of at least 256 tokens."""

from __future__ import annotations

import numpy as np

from tinker_conformance.client.batch import Batch, Datum, make_datum

LOWEST, HIGHEST = 70, 125
"""Ids that are ordinary tokens in the usual vocabularies."""


def tokens(length: int, seed: int | list[int]) -> list[int]:
    """Pseudo-random tokens."""
    generator = np.random.default_rng(seed)
    drawn: list[int] = generator.integers(LOWEST, HIGHEST, length).tolist()
    return drawn


def weighted(length: int, seed: int) -> Datum:
    """A cross-entropy datum with weights between 0.5 and 1.5."""
    sequence = tokens(length + 1, seed)
    weights = np.random.default_rng([seed, 1]).uniform(0.5, 1.5, length)
    return make_datum(sequence[:-1], target_tokens=sequence[1:], weights=weights)


WARM: Batch = (weighted(7, 101), weighted(9, 102))
"""Trained on before a check, so that every LoRA matrix has a gradient."""
PROBE: Batch = (weighted(8, 103), weighted(5, 104))
"""Data for the steps of the checks and for measuring their effect."""
OTHER: Batch = (weighted(6, 105),)
"""Unrelated to `PROBE`."""
