"""Means with errors and intervals, against hand calculation, brute force and scipy."""

import math
from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats

from tinker_core import DataError
from tinker_evals.statistics.estimate import (
    mean_estimate,
    pass_at_k,
    share_estimate,
    wilson_interval,
)
from tinker_evals.statistics.paired_comparison import compare_paired


def test_the_standard_error_of_a_mean_is_that_of_the_textbook() -> None:
    scores = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0]
    assert mean_estimate(scores).standard_error == pytest.approx(stats.sem(scores))


def test_a_normal_interval_reaches_one_point_nine_six_errors_to_both_sides() -> None:
    estimate = mean_estimate([1.0, 2.0, 3.0])  # variance 1, standard error 1 / sqrt 3
    assert estimate.value == 2.0
    assert estimate.low == pytest.approx(2.0 - 1.959964 / math.sqrt(3), abs=1e-6)
    assert estimate.high == pytest.approx(2.0 + 1.959964 / math.sqrt(3), abs=1e-6)


@pytest.mark.parametrize(("right", "n"), [(0, 10), (3, 10), (10, 10), (81, 263)])
def test_the_interval_of_a_share_is_wilsons(right: int, n: int) -> None:
    theirs = stats.binomtest(right, n).proportion_ci(0.95, method="wilson")
    ours = share_estimate([1.0] * right + [0.0] * (n - right))
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_all_right_is_not_a_certainty() -> None:
    estimate = share_estimate([1.0] * 10)
    assert estimate.low == pytest.approx(10 / (10 + 1.959964**2), abs=1e-6)
    assert estimate.high == pytest.approx(1.0)


def test_items_that_repeat_each_other_count_once() -> None:
    scores, clusters = [1.0, 0.0, 1.0, 1.0, 0.0], ["a", "b", "c", "d", "e"]
    once = share_estimate(scores)
    repeated = share_estimate(np.repeat(scores, 4), np.repeat(clusters, 4).tolist())
    assert repeated.standard_error == pytest.approx(once.standard_error)
    assert (repeated.low, repeated.high) == pytest.approx((once.low, once.high))


def test_clusters_of_one_item_change_nothing() -> None:
    scores = [0.2, 0.9, 0.4, 0.4]
    assert share_estimate(scores, [1, 2, 3, 4]) == share_estimate(scores)


def test_the_clustered_error_is_the_papers_double_sum() -> None:
    scores, clusters = np.array([1, 1, 0, 1, 0, 0, 1.0]), ["a", "a", "b", "b", "b", "c", "c"]
    deviations, n = scores - scores.mean(), len(scores)
    pairs = sum(
        deviations[i] * deviations[j]
        for i, j in product(range(n), repeat=2)
        if clusters[i] == clusters[j]
    )
    expected = math.sqrt(pairs / n**2 * 3 / 2)
    assert mean_estimate(scores, clusters).standard_error == pytest.approx(expected)


def test_one_item_has_no_standard_error_and_none_has_no_mean() -> None:
    assert math.isnan(share_estimate([1.0]).standard_error)
    assert math.isnan(share_estimate([]).value)
    assert all(math.isnan(end) for end in wilson_interval(0.5, 0))


@pytest.mark.parametrize(("n", "c", "k"), [(5, 2, 1), (5, 2, 3), (5, 0, 2), (5, 5, 2), (6, 4, 3)])
def test_pass_at_k_is_the_share_of_draws_that_hold_a_right_sample(n: int, c: int, k: int) -> None:
    draws = list(combinations([1] * c + [0] * (n - c), k))
    assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, draws)) / len(draws))


def test_pass_at_one_is_the_mean() -> None:
    assert pass_at_k(8, 3, 1) == pytest.approx(3 / 8)


@pytest.mark.parametrize(("n", "c", "k"), [(4, 2, 5), (4, 5, 2), (4, -1, 2), (4, 2, 0)])
def test_pass_at_k_refuses_what_cannot_be(n: int, c: int, k: int) -> None:
    with pytest.raises(DataError, match=f"pass@{k}"):
        pass_at_k(n, c, k)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: share_estimate([0.0, 1.2]), "between 0 and 1"),
        (lambda: mean_estimate([1.0, math.nan]), "finite"),
        (lambda: mean_estimate([[1.0]]), "shape"),
        (lambda: mean_estimate([1.0, 0.0], ["a"]), "1 clusters"),
        (lambda: compare_paired([1.0], [1.0, 0.0]), "paired"),
    ],
)
def test_what_is_no_column_of_scores_is_refused(call: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        call()  # type: ignore[operator]


def test_one_problem_has_no_standard_error_to_show() -> None:
    assert str(share_estimate([1])) == "1.000 [0.207, 1.000]"


@pytest.mark.parametrize("value", [1 / 3, 0.1, 0.7, 0.5])
@pytest.mark.parametrize("n", [3, 10, 11, 49])
def test_equal_scores_have_the_interval_of_their_number(value: float, n: int) -> None:
    """The mean of equal scores may be off by a rounding error, which is no information."""
    estimate = share_estimate([value] * n)
    assert (estimate.low, estimate.high) == pytest.approx(wilson_interval(value, n))
    assert estimate.standard_error == 0.0


def test_scores_that_cancel_within_clusters_have_the_interval_of_the_clusters() -> None:
    estimate = share_estimate([0.1, 0.3, 0.1, 0.3], ["a", "a", "b", "b"])
    assert (estimate.low, estimate.high) == pytest.approx(wilson_interval(0.2, 2))


def test_equal_fractions_have_the_interval_of_their_number_however_they_round() -> None:
    for fraction, n in [(1 / 3, 10), (0.1, 3), (0.7, 7), (0.5, 3)]:
        estimate = share_estimate([fraction] * n)
        low, high = wilson_interval(fraction, n)
        assert (estimate.low, estimate.high) == pytest.approx((low, high))
        assert estimate.high - estimate.low > 0.2
    assert share_estimate([0.5] * 3).low == pytest.approx(0.125, abs=0.001)
