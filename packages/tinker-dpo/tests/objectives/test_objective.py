"""Every loss of pairs by finite differences and, where torch is there, autograd."""

import numpy as np
import pytest

from tinker_dpo import BradleyTerry, Dpo, Ipo, Orpo, PairObjective, Sides, SimPo

PAIR_LOSSES: dict[str, PairObjective] = {
    "dpo": Dpo(beta=0.3),
    "cdpo": Dpo(beta=0.3, label_smoothing=0.1),
    "ipo": Ipo(beta=0.3),
    "simpo": SimPo(beta=1.5, margin=0.4),
    "orpo": Orpo(weight=0.7),
    "bradley_terry": BradleyTerry(margin=0.3),
}


def random_sides(seed: int) -> Sides:
    scores = -np.random.default_rng(seed).exponential(2.0, size=(2, 16)) - 1e-3
    return Sides(chosen=scores[0], rejected=scores[1])


@pytest.mark.parametrize("name", PAIR_LOSSES)
def test_each_derivative_is_that_of_a_finite_difference(name: str) -> None:
    policy, reference = random_sides(1), random_sides(2)
    value, step = PAIR_LOSSES[name].loss(policy, reference), 1e-6

    def loss(dchosen: float, drejected: float) -> np.ndarray:
        moved = Sides(chosen=policy.chosen + dchosen, rejected=policy.rejected + drejected)
        return PAIR_LOSSES[name].loss(moved, reference).loss

    np.testing.assert_allclose(
        (loss(step, 0) - loss(-step, 0)) / (2 * step), value.dchosen, rtol=1e-4, atol=1e-7
    )
    np.testing.assert_allclose(
        (loss(0, step) - loss(0, -step)) / (2 * step), value.drejected, rtol=1e-4, atol=1e-7
    )


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
    value = PAIR_LOSSES[name].loss(policy, reference)
    np.testing.assert_allclose(value.loss, expected.detach().numpy(), rtol=1e-9)
    np.testing.assert_allclose(value.dchosen, chosen.grad.numpy(), rtol=1e-7)
    np.testing.assert_allclose(value.drejected, rejected.grad.numpy(), rtol=1e-7)


@pytest.mark.parametrize("name", PAIR_LOSSES)
def test_scores_far_away_give_finite_numbers(name: str) -> None:
    policy = Sides(chosen=[-1e4, 0.0, -1e-30], rejected=[0.0, -1e4, -1e-30])
    value = PAIR_LOSSES[name].loss(policy, Sides(chosen=np.zeros(3), rejected=np.zeros(3)))
    for column in (value.loss, value.dchosen, value.drejected):
        assert np.isfinite(column).all()
