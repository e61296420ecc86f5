"""Token sequences and batches that fit any vocabulary of at least 256 tokens."""

from __future__ import annotations

import numpy as np

from tinker_conformance.client.batch import Batch, Row, row

LOWEST, HIGHEST = 70, 125
"""Ids that are ordinary tokens in the usual vocabularies."""


def tokens(length: int, seed: int | list[int]) -> list[int]:
    """Pseudo-random tokens."""
    generator = np.random.default_rng(seed)
    drawn: list[int] = generator.integers(LOWEST, HIGHEST, length).tolist()
    return drawn


def weighted(length: int, seed: int) -> Row:
    """A cross-entropy datum with weights between 0.5 and 1.5."""
    sequence = tokens(length + 1, seed)
    weights = np.random.default_rng([seed, 1]).uniform(0.5, 1.5, length)
    return row(sequence[:-1], target_tokens=sequence[1:], weights=weights)


WARM: Batch = (weighted(7, 101), weighted(9, 102))
"""What a model is trained on before a check, so that every LoRA matrix has a gradient."""
PROBE: Batch = (weighted(8, 103), weighted(5, 104))
"""What steps are taken on and their effect is measured on."""
OTHER: Batch = (weighted(6, 105),)
"""What has nothing to do with `PROBE`."""
