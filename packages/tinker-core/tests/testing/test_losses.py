"""Losses of the test double against values by hand."""

import numpy as np
import pytest
import tinker

from tinker_core.testing import loss_and_slope

Q = np.log([0.5, 0.2, 0.25])
P = np.log([0.75, 0.1, 0.2])  # ratios 1.5, 0.5, 0.8
A = np.array([2.0, -1.0, 1.0])
GSPO_RATIO = 0.6 ** (1 / 3)


@pytest.mark.parametrize(
    ("loss", "settings", "value", "slope"),
    [
        ("importance_sampling", {}, -(3.0 - 0.5 + 0.8), [-3.0, 0.5, -0.8]),
        # min(3, 1.2*2), min(-0.5, 0.8*-1), min(0.8, 0.8): the clip holds back the first two
        ("ppo", {}, -(2.4 - 0.8 + 0.8), [0.0, 0.0, -0.8]),
        ("ppo", {"clip_low_threshold": 0.4}, -(2.4 - 0.5 + 0.8), [0.0, 0.5, -0.8]),
        (
            "cispo",
            {"clip_high_threshold": 1.2},
            -(2.4 * P[0] - 0.5 * P[1] + 0.8 * P[2]),
            [-2.4, 0.5, -0.8],
        ),
        (
            "dro",
            {"beta": 2.0},
            -(A @ P - ((P - Q) ** 2).sum()),
            2.0 * (P - Q) - A,
        ),
        ("gspo", {}, -2 * GSPO_RATIO, [-2 * GSPO_RATIO, GSPO_RATIO, -GSPO_RATIO]),
    ],
)
def test_a_policy_loss_is_what_its_formula_gives_by_hand(
    loss: str, settings: dict[str, float], value: float, slope: list[float]
) -> None:
    inputs = {"logprobs": Q, "advantages": A, "sequence_ratio_mask": np.ones(3)}
    found, slope_N = loss_and_slope(loss, P, inputs, settings)
    assert found == pytest.approx(value)
    np.testing.assert_allclose(slope_N, slope)


def test_tokens_of_a_prompt_have_no_say() -> None:
    prompt = {"logprobs": np.append(0.0, Q), "advantages": np.append(0.0, A)}
    mask = {"sequence_ratio_mask": np.array([0.0, 1.0, 1.0, 1.0])}
    alone = {"logprobs": Q, "advantages": A, "sequence_ratio_mask": np.ones(3)}
    for loss in ("importance_sampling", "ppo", "cispo", "dro", "gspo"):
        value, slope_N = loss_and_slope(loss, np.append(-3.0, P), {**prompt, **mask}, {})
        without, slope = loss_and_slope(loss, P, alone, {})
        assert value == pytest.approx(without), loss
        np.testing.assert_allclose(slope_N, np.append(0.0, slope))


def test_dro_pulls_at_sampled_tokens_that_have_no_advantage() -> None:
    inputs = {"logprobs": np.array([-2.0]), "advantages": np.array([0.0])}
    value, slope_N = loss_and_slope("dro", np.array([-1.0]), inputs, {"beta": 2.0})
    assert (value, slope_N.tolist()) == (1.0, [2.0])  # beta/2 * 1^2, and beta * 1


@pytest.mark.parametrize(
    ("loss", "inputs", "settings", "problem"),
    [
        ("gspo", ("logprobs", "advantages"), {}, "sequence_ratio_mask"),
        ("ppo", ("logprobs",), {}, "advantages"),
        ("importance_sampling", ("logprobs", "advantages"), {"beta": 1.0}, "no setting"),
    ],
)
def test_what_a_loss_does_not_find_or_know_is_refused(
    loss: str, inputs: tuple[str, ...], settings: dict[str, float], problem: str
) -> None:
    with pytest.raises(tinker.RequestFailedError, match=problem):
        loss_and_slope(loss, P, dict.fromkeys(inputs, Q), settings)
