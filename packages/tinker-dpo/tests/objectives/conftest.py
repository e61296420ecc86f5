"""Scores of a single pair."""

from collections.abc import Callable

import pytest

from tinker_dpo import Sides


@pytest.fixture
def pair() -> Callable[[float, float], Sides]:
    """The score of the chosen and of the rejected response of one pair."""
    return lambda chosen, rejected: Sides(chosen=[chosen], rejected=[rejected])
