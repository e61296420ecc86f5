"""KL estimates against the exact divergence of two small distributions."""

import numpy as np
import pytest

from tinker_core import DataError
from tinker_rl import KL, estimate_entropy, estimate_kl, kl_advantages

Q = np.array([0.5, 0.3, 0.2])
P = np.array([0.4, 0.4, 0.2])


def every_draw() -> np.ndarray:
    """Ten draws in exactly the proportions of Q: a mean over them is an expectation under Q."""
    return np.repeat([0, 1, 2], (10 * Q).astype(int))


def test_k1_and_k3_are_the_divergence_in_expectation() -> None:
    tokens = every_draw()
    kl = estimate_kl(np.log(Q)[tokens], np.log(P)[tokens])
    exact = float((Q * np.log(Q / P)).sum())
    assert kl.k1 == pytest.approx(exact)
    assert kl.k3 == pytest.approx(exact)  # E[r] = 1
    assert kl.k2 == pytest.approx(float((Q * np.log(Q / P) ** 2).sum() / 2))


def test_k3_is_never_negative_even_for_one_token() -> None:
    assert estimate_kl([-3.0], [-1.0]).k3 == pytest.approx(np.exp(2) - 1 - 2)
    assert estimate_kl([-3.0], [-1.0]).k1 == -2.0


def test_entropy_is_the_mean_surprise() -> None:
    assert estimate_entropy(np.log(Q)[every_draw()]) == pytest.approx(-(Q * np.log(Q)).sum())


def test_no_token_is_no_divergence_and_no_crash() -> None:
    assert estimate_kl([], []) == KL(k1=0.0, k2=0.0, k3=0.0)
    assert estimate_entropy([]) == 0.0


def test_other_tokens_are_refused() -> None:
    with pytest.raises(DataError, match="2 logprobs of one model, but 1 of the other"):
        estimate_kl([-1.0, -1.0], [-1.0])


def test_the_penalty_pulls_down_what_the_policy_likes_more_than_the_reference() -> None:
    assert kl_advantages([-1.0, -2.0], [-3.0, -2.5], 0.1).tolist() == pytest.approx([-0.2, -0.05])


def test_with_a_discount_a_token_answers_for_later_ones() -> None:
    # gaps 2 and 0.5; the first answers for 2 + 0.5 * 0.5
    found = kl_advantages([-1.0, -2.0], [-3.0, -2.5], 1.0, discount=0.5)
    assert found.tolist() == pytest.approx([-2.25, -0.5])
