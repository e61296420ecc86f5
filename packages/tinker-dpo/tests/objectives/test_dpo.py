"""DPO by hand-derived numbers."""

import numpy as np
import pytest

from tinker_dpo import Dpo


def test_where_policy_and_reference_agree_it_is_log_2_and_pulls_by_half_of_beta(pair) -> None:
    value = Dpo(beta=0.2).loss(pair(-3, -5), pair(-3, -5))
    assert value.loss == pytest.approx([np.log(2)])
    assert (value.dchosen[0], value.drejected[0]) == pytest.approx((-0.1, 0.1))
    assert value.rewards.difference == pytest.approx([0.0])


def test_a_pair_moved_apart_by_log_3_over_beta(pair) -> None:
    # sigma(log 3) = 3/4, so the loss is log(4/3) and the slope is -beta/4
    value = Dpo(beta=0.5).loss(pair(np.log(3) / 0.5, 0.0), pair(0.0, 0.0))
    assert value.loss == pytest.approx([np.log(4 / 3)])
    assert value.dchosen == pytest.approx([-0.5 / 4])
    assert value.rewards.chosen == pytest.approx([np.log(3)])


def test_label_smoothing_mixes_the_losses_of_both_labels(pair) -> None:
    policy, swapped = pair(2.0, -1.0), pair(-1.0, 2.0)
    there = Dpo(beta=0.3).loss(policy, pair(0, 0)).loss
    back = Dpo(beta=0.3).loss(swapped, pair(0, 0)).loss
    mixed = Dpo(beta=0.3, label_smoothing=0.2).loss(policy, pair(0, 0)).loss
    assert mixed == pytest.approx(0.8 * there + 0.2 * back)


def test_label_smoothing_is_at_its_minimum_where_the_model_is_as_unsure_as_the_labels(pair) -> None:
    smoothed = Dpo(beta=1.0, label_smoothing=0.2)
    value = smoothed.loss(pair(np.log(0.8 / 0.2), 0), pair(0, 0))
    assert value.dchosen == pytest.approx([0.0], abs=1e-12)


def test_settings_that_cannot_be_used_are_refused() -> None:
    with pytest.raises(ValueError, match="beta"):
        Dpo(beta=0.0)
    with pytest.raises(ValueError, match="label_smoothing"):
        Dpo(label_smoothing=0.5)
