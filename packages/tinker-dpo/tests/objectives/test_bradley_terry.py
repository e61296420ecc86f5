"""The loss of a reward model by hand-derived numbers."""

import numpy as np
import pytest

from tinker_dpo import BradleyTerry


def test_the_odds_ratio_is_the_probability_of_winning(pair) -> None:
    value = BradleyTerry().loss(pair(np.log(0.5), np.log(0.25)), pair(0, 0))
    assert np.exp(-value.loss) == pytest.approx([3 / 4])  # odds 1 against 1/3


def test_a_margin_asks_for_more_than_a_win(pair) -> None:
    value = BradleyTerry(margin=2.0).loss(pair(-1, -1), pair(0, 0))
    assert value.loss == pytest.approx([np.log1p(np.e**2)])
