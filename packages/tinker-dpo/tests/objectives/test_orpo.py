"""ORPO by hand-derived numbers."""

import numpy as np
import pytest

from tinker_dpo import Orpo


def test_probabilities_of_a_half_and_a_fifth(pair) -> None:
    # odds 1 and 1/4: log odds ratio log 4, sigma 4/5; d log odds / d log p = 1 / (1 - p) = 2, 5/4
    value = Orpo(weight=0.1).loss(pair(np.log(0.5), np.log(0.2)), pair(0, 0))
    assert value.loss == pytest.approx([np.log(2) + 0.1 * np.log(5 / 4)])
    assert value.dchosen == pytest.approx([-1 - 0.1 * 0.2 * 2])
    assert value.drejected == pytest.approx([0.1 * 0.2 * 1.25])
