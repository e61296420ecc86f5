"""IPO by hand-derived numbers."""

import pytest

from tinker_dpo import Ipo


def test_it_is_zero_at_a_margin_of_one_over_two_beta(pair) -> None:
    value = Ipo(beta=0.1).loss(pair(-1.0, -6.0), pair(0, 0))
    assert (value.loss[0], value.dchosen[0]) == pytest.approx((0.0, 0.0))


def test_it_grows_with_the_square_of_the_distance_to_that_margin(pair) -> None:
    value = Ipo(beta=0.1).loss(pair(-1.0, -3.0), pair(0, 0))
    assert value.loss == pytest.approx([9.0])
    assert value.dchosen == pytest.approx([-6.0])
