"""SimPO by hand-derived numbers."""

import numpy as np
import pytest

from tinker_dpo import SimPo


def test_it_is_log_2_where_the_pair_is_apart_by_margin_over_beta(pair) -> None:
    value = SimPo(beta=2.0, margin=1.0).loss(pair(-1.0, -1.5), pair(0, 0))
    assert value.loss == pytest.approx([np.log(2)])
    assert value.dchosen == pytest.approx([-1.0])
