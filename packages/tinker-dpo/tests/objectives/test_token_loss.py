"""Losses of tokens: scores summed or averaged, gradients back to the right tokens."""

import numpy as np
import pytest
from attrs import evolve, frozen

from tinker_core import ConfigError
from tinker_dpo import (
    BradleyTerry,
    Dpo,
    Ipo,
    Kto,
    Orpo,
    Response,
    SimPo,
    judged_loss,
    pair_loss,
)
from tinker_dpo.metrics import value_metrics
from tinker_dpo.objectives.scores import PairLoss, Sides


def response(logprobs: list[float], mask: list[float], reference: float = 0.0) -> Response:
    return Response(logprobs=np.array(logprobs), mask=np.array(mask), reference=reference)


def gradients(loss, responses) -> list[np.ndarray]:
    """The derivative by every token, one array for each response."""
    return [r.mask * slope for r, slope in zip(responses, loss.slopes, strict=True)]


def random_pair(random: np.random.Generator) -> tuple[Response, Response]:
    """Sides of other lengths, each after three tokens of a prompt."""
    lengths = random.integers(1, 6, size=2)
    return tuple(
        response(
            list(-random.exponential(size=3 + length) - 0.01),
            [0.0] * 3 + [1.0] * length,
            float(-random.exponential() * length),
        )
        for length in lengths
    )


def test_dpo_sums_over_the_tokens_of_the_response_alone() -> None:
    # the sides moved by +1 and -1 against the reference: h = 2, so the loss is log(1 + e^-0.2)
    pair = (
        response([-9, -1, -2], [0, 1, 1], reference=-4.0),
        response([-9, -3], [0, 1], reference=-2.0),
    )
    value = pair_loss(Dpo(beta=0.1), [pair])
    assert value.loss == pytest.approx(np.log1p(np.exp(-0.2)))
    slope = -0.1 / (1 + np.exp(0.2))
    chosen, rejected = gradients(value, pair)
    np.testing.assert_allclose(chosen, [0, slope, slope])
    np.testing.assert_allclose(rejected, [0, -slope])
    assert value.metrics["accuracy"] == 1.0
    assert value.metrics["margin"] == pytest.approx(0.2)
    assert value.metrics["chosen_reward"] == pytest.approx(0.1)
    assert value.metrics["rejected_reward"] == pytest.approx(-0.1)
    assert (value.metrics["chosen_tokens"], value.metrics["rejected_tokens"]) == (2, 1)
    assert value.metrics["chosen_logprob"] == -3


def test_simpo_and_orpo_average_over_the_tokens() -> None:
    pair = (response([-9, -1, -3], [0, 1, 1]), response([-9, -2], [0, 1]))  # means -2 and -2
    simpo = pair_loss(SimPo(beta=2.0, margin=0.0), [pair])
    assert simpo.loss == pytest.approx(np.log(2))
    chosen, rejected = gradients(simpo, pair)
    np.testing.assert_allclose(chosen, [0, -0.5, -0.5])
    np.testing.assert_allclose(rejected, [0, 1.0])
    orpo = pair_loss(Orpo(weight=1.0), [pair])
    assert orpo.loss == pytest.approx(2 + np.log(2))


def test_a_length_normalised_dpo_also_averages_the_reference() -> None:
    pair = (response([-1, -3], [1, 1], reference=-2.0), response([-2], [1], reference=-3.0))
    value = pair_loss(Dpo(beta=1.0, length_normalised=True), [pair])
    # chosen: -2 - (-1) = -1; rejected: -2 - (-3) = 1; h = -2
    assert value.loss == pytest.approx(np.log1p(np.exp(2.0)))


def test_the_loss_is_a_mean_over_pairs() -> None:
    random = np.random.default_rng(0)
    pairs = [random_pair(random) for _ in range(5)]
    alone = [pair_loss(Dpo(), [pair]) for pair in pairs]
    together = pair_loss(Dpo(), pairs)
    assert together.loss == pytest.approx(np.mean([value.loss for value in alone]))
    np.testing.assert_allclose(together.slopes[6], alone[3].slopes[0] / 5)


@pytest.mark.parametrize(
    "objective",
    [
        Dpo(beta=0.3, label_smoothing=0.1),
        Dpo(beta=0.3, length_normalised=True),
        Ipo(beta=0.3),
        SimPo(),
        Orpo(),
        BradleyTerry(margin=0.2),
    ],
    ids=lambda objective: type(objective).__name__,
)
def test_every_tokens_derivative_is_that_of_a_finite_difference(objective) -> None:
    random = np.random.default_rng(3)
    pairs = [random_pair(random) for _ in range(3)]
    flat = [side for pair in pairs for side in pair]
    gradient = gradients(pair_loss(objective, pairs), flat)
    for d, side in enumerate(flat):
        for t in range(len(side.logprobs)):

            def loss(step: float, side=side, t=t) -> float:
                before = side.logprobs[t]
                side.logprobs[t] += step
                value = pair_loss(objective, pairs).loss
                side.logprobs[t] = before
                return value

            slope = (loss(1e-5) - loss(-1e-5)) / 2e-5
            assert gradient[d][t] == pytest.approx(slope, rel=1e-4, abs=1e-8)


def test_kto_takes_its_reference_point_from_the_mismatched_responses() -> None:
    good = response([-1.0, -1.0], [0, 1], reference=-3.0)  # log ratio 2
    bad = response([-4.0], [1], reference=-3.0)  # log ratio -1
    mismatched = [response([-1.0], [1], reference=-2.0), response([-1.0], [1], reference=-4.0)]
    value = judged_loss(Kto(beta=1.0), [good, bad], mismatched, [True, False])
    sigma = 1 / (1 + np.exp(-np.array([2.0 - 2.0, 2.0 + 1.0])))
    assert value.loss == pytest.approx(np.mean(1 - sigma))
    of_good, of_bad = gradients(value, [good, bad])
    np.testing.assert_allclose(of_good, [0, -0.25 / 2])
    np.testing.assert_allclose(of_bad, [sigma[1] * (1 - sigma[1]) / 2])
    assert value.metrics["reference_point"] == 2.0
    assert value.metrics["chosen_reward"] == 2.0
    assert value.metrics["rejected_reward"] == -1.0
    assert value.metrics["accuracy"] == 0.5  # 2 is no gain over 2; -1 is a loss


def test_a_length_normalised_judged_loss_averages_over_the_tokens() -> None:
    class Mean(Kto):
        length_normalised = True

    long = response([-1.0, -3.0], [1, 1], reference=-2.0)  # mean -2, reference -1: log ratio -1
    other = response([-2.0], [1], reference=-2.0)
    value = judged_loss(Mean(beta=1.0), [long], [other], [True])
    sigma = 1 / (1 + np.exp(1.0))
    assert value.loss == pytest.approx(1 - sigma)
    assert value.slopes == pytest.approx([-sigma * (1 - sigma) / 2])


def test_metrics_of_the_objective_are_logged_with_the_others() -> None:
    class Counted(Dpo):
        def loss(self, policy, reference):
            return evolve(super().loss(policy, reference), metrics={"mine": 7.0})

    pair = response([-1.0], [1]), response([-2.0], [1])
    metrics = pair_loss(Counted(), [pair]).metrics
    assert metrics["mine"] == 7.0
    assert "margin" in metrics


@frozen(kw_only=True)
class Named(Dpo):
    """DPO with a metric of its own."""

    name: str

    def loss(self, policy: Sides, reference: Sides) -> PairLoss:
        return evolve(super().loss(policy, reference), metrics={self.name: 7.0})


@pytest.mark.parametrize("name", ["accuracy", "chosen_reward", "loss"])
def test_a_metric_of_an_objective_cannot_replace_one_of_the_loop(name: str) -> None:
    pair = random_pair(np.random.default_rng(0))
    with pytest.raises(ConfigError, match=f"metrics of the objective: .* called '{name}'"):
        value_metrics("train", pair_loss(Named(name=name), [pair]))
