"""KTO by hand-derived numbers, finite differences and, where torch is there, autograd."""

import numpy as np
import pytest

from tinker_dpo import JudgedScores, Kto


def judged(log_ratio, mismatched, desirable) -> JudgedScores:
    """Scores by the policy's log ratio to a reference of zero."""
    return JudgedScores(
        policy=log_ratio,
        reference=np.zeros(len(log_ratio)),
        desirable=desirable,
        mismatched_policy=mismatched,
        mismatched_reference=np.zeros(len(mismatched)),
    )


def test_without_distance_to_the_reference() -> None:
    value = Kto(beta=0.4).loss(judged([0.0, 0.0], [0.0], [True, False]))
    assert value.loss == pytest.approx([0.5, 0.5])
    assert value.dscore == pytest.approx([-0.1, 0.1])  # beta sigma (1 - sigma)


def test_gains_and_losses_are_measured_from_the_reference_point() -> None:
    value = Kto(beta=0.4).loss(judged([3.0, 3.0], [2.0, 4.0], [True, False]))
    assert value.metrics["reference_point"] == 3.0
    assert value.threshold == pytest.approx(0.4 * 3.0)
    assert value.loss == pytest.approx([0.5, 0.5])


def test_the_reference_point_is_at_least_zero() -> None:
    value = Kto(beta=0.4).loss(judged([0.0], [-8.0], [True]))
    assert value.metrics["reference_point"] == 0.0


def test_the_reference_is_subtracted_from_both_kinds_of_scores() -> None:
    scores = JudgedScores(
        policy=[-2.0],
        reference=[-5.0],
        desirable=[True],
        mismatched_policy=[-1.0],
        mismatched_reference=[-3.0],
    )
    moved = Kto(beta=0.4).loss(judged([3.0], [2.0], [True]))
    assert Kto(beta=0.4).loss(scores).loss == pytest.approx(moved.loss)


def test_its_two_kinds_of_responses_have_weights() -> None:
    weighted = Kto(beta=0.4, desirable_weight=2.0, undesirable_weight=3.0)
    value = weighted.loss(judged([0.0, 0.0], [0.0], [True, False]))
    assert value.loss == pytest.approx([1.0, 1.5])
    assert value.dscore == pytest.approx([-0.2, 0.3])


def test_its_derivative_is_that_of_a_finite_difference_at_a_fixed_reference_point() -> None:
    ratio, good, step = np.array([-2.0, 0.5, 3.0]), [True, False, True], 1e-6
    value = Kto(beta=0.3).loss(judged(ratio, [1.0], good))
    up = Kto(beta=0.3).loss(judged(ratio + step, [1.0], good)).loss
    down = Kto(beta=0.3).loss(judged(ratio - step, [1.0], good)).loss
    np.testing.assert_allclose((up - down) / (2 * step), value.dscore, rtol=1e-5)


def test_it_is_that_of_autograd_with_the_reference_point_detached() -> None:
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
    weighted = Kto(beta=0.3, desirable_weight=1.2, undesirable_weight=0.8)
    value = weighted.loss(judged(ratio_P, other_P, good_P))
    np.testing.assert_allclose(value.loss, expected.detach().numpy())
    np.testing.assert_allclose(value.dscore, ratio.grad.numpy())
