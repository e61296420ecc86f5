"""The chi-squared test: right draws pass, wrong ones do not."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tinker_conformance.closed_form.frequencies import (
    chi_squared,
    counts,
    restricted,
    upper_bound,
)

PROBABILITIES = {1: 0.4, 2: 0.3, 3: 0.2, 4: 0.06}  # 0.04 is left for all other tokens


def drawn(probabilities, size=600, seed=0):
    tokens = [*probabilities, 99]
    shares = [*probabilities.values(), 1 - sum(probabilities.values())]
    return counts(np.random.default_rng(seed).choice(tokens, size, p=shares).tolist())


def test_right_draws_stay_below_the_bound_in_a_thousand_runs():
    for seed in range(1000):
        statistic, bound = chi_squared(drawn(PROBABILITIES, seed=seed), PROBABILITIES)
        assert statistic < bound


def test_draws_from_other_probabilities_do_not():
    sharper = {token: p**2 for token, p in PROBABILITIES.items()}
    total = sum(sharper.values()) + 0.04**2
    sharper = {token: p / total for token, p in sharper.items()}
    statistic, bound = chi_squared(drawn(sharper), PROBABILITIES)
    assert statistic > bound


def test_a_token_that_cannot_be_drawn_is_noticed():
    certain = {1: 0.5, 2: 0.5}
    assert chi_squared(Counter({1: 100, 2: 100}), certain)[0] == 0.0
    assert chi_squared(Counter({1: 90, 2: 90, 7: 20}), certain)[0] == float("inf")


def test_the_statistic_is_pearsons():
    # (60 - 50)^2 / 50 + (40 - 50)^2 / 50
    assert chi_squared(Counter({1: 60, 2: 40}), {1: 0.5, 2: 0.5})[0] == pytest.approx(4.0)


@pytest.mark.parametrize(("freedom", "quantile"), [(1, 37.4), (5, 50.7), (10, 63.0)])
def test_the_bound_is_not_below_the_quantile_at_six_sigmas(freedom, quantile):
    # the quantiles are scipy.stats.chi2.isf(scipy.stats.norm.sf(6), freedom)
    assert quantile < upper_bound(freedom) < 1.3 * quantile


def test_restricted_probabilities_are_those_given_one_of_the_tokens():
    logprobs = {5: np.log(0.2), 6: np.log(0.1)}
    assert restricted(logprobs, 1.0) == pytest.approx({5: 2 / 3, 6: 1 / 3})
    assert restricted(logprobs, 0.5) == pytest.approx({5: 4 / 5, 6: 1 / 5})


def test_counts_can_leave_tokens_out():
    assert counts([1, 1, 2, 3], among={1, 3}) == {1: 2, 3: 1}
