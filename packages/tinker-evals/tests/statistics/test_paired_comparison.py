"""Paired comparison, against McNemar's test, permutation tests of scipy and hand calculation."""

import numpy as np
import pytest
from scipy import stats

from tinker_evals.statistics.paired_comparison import compare_paired


def test_the_p_value_of_right_and_wrong_is_mcnemars() -> None:
    first = [1] * 20 + [0] * 9 + [1] * 2  # 9 got better, 2 got worse
    second = [1] * 20 + [1] * 9 + [0] * 2
    comparison = compare_paired(first, second)
    assert comparison.p_value == pytest.approx(stats.binomtest(9, 11).pvalue)
    assert (comparison.better, comparison.worse, comparison.same) == (9, 2, 20)
    assert comparison.difference.value == pytest.approx(7 / 31)


def test_the_p_value_of_fractions_is_a_permutation_test() -> None:
    first, second = [0.1, 0.5, 0.25, 0.9, 0.3, 0.0], [0.4, 0.7, 0.15, 0.95, 0.9, 0.3]
    theirs = stats.permutation_test(
        (np.subtract(second, first),), lambda d: d.mean(), permutation_type="samples"
    )
    assert compare_paired(first, second).p_value == pytest.approx(theirs.pvalue)


def test_many_fractions_are_tested_by_a_sample_of_the_permutations() -> None:
    random = np.random.default_rng(7)
    first = random.random(60)
    second = first + random.normal(0.03, 0.12, 60)
    t_test = stats.ttest_rel(second, first).pvalue
    assert compare_paired(first, second).p_value == pytest.approx(t_test, abs=0.015)


def test_one_lucky_cluster_is_no_evidence() -> None:
    first, second = [0] * 20, [1] * 20
    assert compare_paired(first, second, ["same passage"] * 20).p_value == 1.0
    assert compare_paired(first, second).p_value < 1e-4


def test_alike_models_have_a_p_value_of_one() -> None:
    assert compare_paired([1, 0, 1], [1, 0, 1]).p_value == 1.0


def test_the_interval_of_a_difference_is_that_of_the_differences() -> None:
    first, second = [1.0, 0.0, 0.0, 1.0, 0.0], [1.0, 1.0, 0.0, 1.0, 1.0]
    error = stats.sem(np.subtract(second, first))
    assert compare_paired(first, second).difference.standard_error == pytest.approx(error)


def test_a_rounding_error_is_neither_better_nor_worse() -> None:
    comparison = compare_paired([0.3, 0.3, 1.0], [0.1 + 0.2, 0.3, 1.0])
    assert (comparison.better, comparison.worse, comparison.same) == (0, 0, 3)
    assert comparison.p_value == 1.0
