"""Scores of pairs."""

import pytest

from tinker_core import DataError
from tinker_dpo import Sides


def test_sides_of_different_lengths_are_no_pairs() -> None:
    with pytest.raises(DataError, match="two columns of one length"):
        Sides(chosen=[1.0, 2.0], rejected=[1.0])


def test_arithmetic_is_side_by_side() -> None:
    moved = (Sides(chosen=[5.0], rejected=[2.0]) - Sides(chosen=[1.0], rejected=[4.0])) * 0.5
    assert (moved.chosen[0], moved.rejected[0], moved.difference[0]) == (2.0, -1.0, 3.0)
