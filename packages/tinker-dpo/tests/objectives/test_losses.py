"""The losses by hand-derived numbers, finite differences and, where torch is there, autograd."""

from collections.abc import Callable

import numpy as np
import pytest

from tinker_core import DataError
from tinker_dpo.objectives import losses
from tinker_dpo.objectives.losses import KtoWeights, PairLoss, Sides

LOG_2 = np.log(2.0)


def one(chosen: float, rejected: float) -> Sides:
    return Sides(chosen=[chosen], rejected=[rejected])


def test_where_policy_and_reference_agree_dpo_is_log_2_and_pulls_by_half_of_beta() -> None:
    value = losses.dpo(one(-3, -5), one(-3, -5), beta=0.2)
    assert value.loss == pytest.approx([LOG_2])
    assert (value.dchosen[0], value.drejected[0]) == pytest.approx((-0.1, 0.1))
    assert value.rewards.difference == pytest.approx([0.0])


def test_dpo_of_a_pair_moved_apart_by_log_3_over_beta() -> None:
    # sigma(log 3) = 3/4, so the loss is log(4/3) and the slope is -beta/4
    value = losses.dpo(one(np.log(3) / 0.5, 0.0), one(0.0, 0.0), beta=0.5)
    assert value.loss == pytest.approx([np.log(4 / 3)])
    assert value.dchosen == pytest.approx([-0.5 / 4])
    assert value.rewards.chosen == pytest.approx([np.log(3)])


def test_label_smoothing_mixes_the_losses_of_both_labels() -> None:
    policy, swapped = one(2.0, -1.0), one(-1.0, 2.0)
    there = losses.dpo(policy, one(0, 0), beta=0.3).loss
    back = losses.dpo(swapped, one(0, 0), beta=0.3).loss
    mixed = losses.dpo(policy, one(0, 0), beta=0.3, label_smoothing=0.2).loss
    assert mixed == pytest.approx(0.8 * there + 0.2 * back)


def test_label_smoothing_is_at_its_minimum_where_the_model_is_as_unsure_as_the_labels() -> None:
    value = losses.dpo(one(np.log(0.8 / 0.2), 0), one(0, 0), beta=1.0, label_smoothing=0.2)
    assert value.dchosen == pytest.approx([0.0], abs=1e-12)


def test_ipo_is_zero_at_a_margin_of_one_over_two_beta() -> None:
    value = losses.ipo(one(-1.0, -6.0), one(0, 0), beta=0.1)
    assert (value.loss[0], value.dchosen[0]) == pytest.approx((0.0, 0.0))
    assert losses.ipo(one(-1.0, -3.0), one(0, 0), beta=0.1).loss == pytest.approx([9.0])
    assert losses.ipo(one(-1.0, -3.0), one(0, 0), beta=0.1).dchosen == pytest.approx([-6.0])


def test_simpo_is_log_2_where_the_pair_is_apart_by_margin_over_beta() -> None:
    value = losses.simpo(one(-1.0, -1.5), beta=2.0, margin=1.0)
    assert value.loss == pytest.approx([LOG_2])
    assert value.dchosen == pytest.approx([-1.0])


def test_orpo_by_hand_at_probabilities_of_a_half_and_a_fifth() -> None:
    # odds 1 and 1/4: log odds ratio log 4, sigma 4/5; d log odds / d log p = 1 / (1 - p) = 2, 5/4
    value = losses.orpo(one(np.log(0.5), np.log(0.2)), weight=0.1)
    assert value.loss == pytest.approx([LOG_2 + 0.1 * np.log(5 / 4)])
    assert value.dchosen == pytest.approx([-1 - 0.1 * 0.2 * 2])
    assert value.drejected == pytest.approx([0.1 * 0.2 * 1.25])


def test_bradley_terry_gives_the_odds_ratio_as_the_probability_of_winning() -> None:
    value = losses.bradley_terry(one(np.log(0.5), np.log(0.25)))
    assert np.exp(-value.loss) == pytest.approx([3 / 4])  # odds 1 against 1/3
    assert losses.bradley_terry(one(-1, -1), margin=2.0).loss == pytest.approx([np.log1p(np.e**2)])


def test_kto_by_hand_without_distance_to_the_reference() -> None:
    value = losses.kto([0.0, 0.0], [0.0], [True, False], beta=0.4)
    assert value.loss == pytest.approx([0.5, 0.5])
    assert value.dscore == pytest.approx([-0.1, 0.1])  # beta sigma (1 - sigma)


def test_kto_measures_gains_and_losses_from_the_reference_point() -> None:
    value = losses.kto([3.0, 3.0], [2.0, 4.0], [True, False], beta=0.4)
    assert value.reference_point == 3.0
    assert value.loss == pytest.approx([0.5, 0.5])
    below = losses.kto([0.0], [-8.0], [True], beta=0.4)
    assert below.reference_point == 0.0


def test_kto_weights_its_two_kinds_of_responses() -> None:
    weights = KtoWeights(desirable=2.0, undesirable=3.0)
    value = losses.kto([0.0, 0.0], [0.0], [True, False], beta=0.4, weights=weights)
    assert value.loss == pytest.approx([1.0, 1.5])
    assert value.dscore == pytest.approx([-0.2, 0.3])


PAIR_LOSSES: dict[str, Callable[[Sides, Sides], PairLoss]] = {
    "dpo": lambda policy, reference: losses.dpo(policy, reference, beta=0.3),
    "cdpo": lambda policy, reference: losses.dpo(policy, reference, beta=0.3, label_smoothing=0.1),
    "ipo": lambda policy, reference: losses.ipo(policy, reference, beta=0.3),
    "simpo": lambda policy, reference: losses.simpo(policy, beta=1.5, margin=0.4),
    "orpo": lambda policy, reference: losses.orpo(policy, weight=0.7),
    "bradley_terry": lambda policy, reference: losses.bradley_terry(policy, margin=0.3),
}


def random_sides(seed: int) -> Sides:
    scores = -np.random.default_rng(seed).exponential(2.0, size=(2, 16)) - 1e-3
    return Sides(chosen=scores[0], rejected=scores[1])


@pytest.mark.parametrize("name", PAIR_LOSSES)
def test_each_derivative_is_that_of_a_finite_difference(name: str) -> None:
    policy, reference = random_sides(1), random_sides(2)
    value, step = PAIR_LOSSES[name](policy, reference), 1e-6

    def loss(dchosen: float, drejected: float) -> np.ndarray:
        moved = Sides(chosen=policy.chosen + dchosen, rejected=policy.rejected + drejected)
        return PAIR_LOSSES[name](moved, reference).loss

    np.testing.assert_allclose(
        (loss(step, 0) - loss(-step, 0)) / (2 * step), value.dchosen, rtol=1e-4, atol=1e-7
    )
    np.testing.assert_allclose(
        (loss(0, step) - loss(0, -step)) / (2 * step), value.drejected, rtol=1e-4, atol=1e-7
    )


def test_the_derivative_of_kto_is_that_of_a_finite_difference_at_a_fixed_reference_point() -> None:
    ratio, good, step = np.array([-2.0, 0.5, 3.0]), [True, False, True], 1e-6
    value = losses.kto(ratio, [1.0], good, beta=0.3)
    up = losses.kto(ratio + step, [1.0], good, beta=0.3).loss
    down = losses.kto(ratio - step, [1.0], good, beta=0.3).loss
    np.testing.assert_allclose((up - down) / (2 * step), value.dscore, rtol=1e-5)


@pytest.mark.parametrize("name", PAIR_LOSSES)
def test_values_and_derivatives_are_those_of_autograd(name: str) -> None:
    torch = pytest.importorskip("torch")
    policy, reference = random_sides(3), random_sides(4)
    chosen, rejected = (
        torch.tensor(scores, requires_grad=True) for scores in (policy.chosen, policy.rejected)
    )
    ref = torch.tensor(reference.difference)
    log_sigmoid = torch.nn.functional.logsigmoid

    def odds(score):
        return score - torch.log1p(-torch.exp(score))

    h = chosen - rejected - ref
    formulas = {
        "dpo": lambda: -log_sigmoid(0.3 * h),
        "cdpo": lambda: -0.9 * log_sigmoid(0.3 * h) - 0.1 * log_sigmoid(-0.3 * h),
        "ipo": lambda: (h - 1 / 0.6) ** 2,
        "simpo": lambda: -log_sigmoid(1.5 * (chosen - rejected) - 0.4),
        "orpo": lambda: -chosen - 0.7 * log_sigmoid(odds(chosen) - odds(rejected)),
        "bradley_terry": lambda: -log_sigmoid(odds(chosen) - odds(rejected) - 0.3),
    }
    expected = formulas[name]()
    expected.sum().backward()
    value = PAIR_LOSSES[name](policy, reference)
    np.testing.assert_allclose(value.loss, expected.detach().numpy(), rtol=1e-9)
    np.testing.assert_allclose(value.dchosen, chosen.grad.numpy(), rtol=1e-7)
    np.testing.assert_allclose(value.drejected, rejected.grad.numpy(), rtol=1e-7)


def test_kto_is_that_of_autograd_with_the_reference_point_detached() -> None:
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(5)
    ratio_P, other_P = random.normal(size=8), random.normal(size=8) + 1
    good_P = random.random(8) < 0.5
    ratio = torch.tensor(ratio_P, requires_grad=True)
    z0 = torch.tensor(other_P).mean().clamp(min=0).detach()
    good = torch.tensor(good_P)
    gain, loss = torch.sigmoid(0.3 * (ratio - z0)), torch.sigmoid(0.3 * (z0 - ratio))
    expected = torch.where(good, 1.2 * (1 - gain), 0.8 * (1 - loss))
    expected.sum().backward()
    weights = KtoWeights(desirable=1.2, undesirable=0.8)
    value = losses.kto(ratio_P, other_P, good_P, beta=0.3, weights=weights)
    np.testing.assert_allclose(value.loss, expected.detach().numpy())
    np.testing.assert_allclose(value.dscore, ratio.grad.numpy())


@pytest.mark.parametrize("name", PAIR_LOSSES)
def test_scores_far_away_give_finite_numbers(name: str) -> None:
    policy = Sides(chosen=[-1e4, 0.0, -1e-30], rejected=[0.0, -1e4, -1e-30])
    value = PAIR_LOSSES[name](policy, Sides(chosen=np.zeros(3), rejected=np.zeros(3)))
    for column in (value.loss, value.dchosen, value.drejected):
        assert np.isfinite(column).all()


def test_sides_of_different_lengths_are_no_pairs() -> None:
    with pytest.raises(DataError, match="two columns of one length"):
        Sides(chosen=[1.0, 2.0], rejected=[1.0])
