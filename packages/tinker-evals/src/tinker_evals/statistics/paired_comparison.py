"""Comparison of two models on the same items: paired difference, interval and p-value."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import numpy as np
from attrs import frozen
from numpy.typing import ArrayLike

from tinker_core import DataError
from tinker_evals.statistics.estimate import (
    ROUNDING,
    Array,
    Clusters,
    Estimate,
    as_scores,
    cluster_sums,
    mean_estimate,
    without_rounding,
)

_EXACT_SIGN_FLIPS = 14
"""Clusters that differ up to which every assignment of signs is counted: 2**14 of them."""
_SIGN_FLIPS = 20_000


@frozen(kw_only=True)
class PairedComparison:
    """Two models on the same items: the second's scores minus the first's."""

    difference: Estimate
    p_value: float
    """Two-sided: probability of a difference at least as large if the two models are equal."""
    better: int
    """Items on which the second scored higher."""
    worse: int
    """Items on which the second scored lower."""
    same: int


def compare_paired(
    first: ArrayLike, second: ArrayLike, clusters: Clusters = None
) -> PairedComparison:
    """Compare scores of the same items, shape (n,) each.

    The interval is that of the mean difference (Miller 2024, arXiv:2411.00640, section 4.2). The
    p-value is a sign-flip test over clusters: under the null, each cluster's difference might as
    well have the other sign. For scores of 0 and 1 without clusters that is McNemar's exact test.
    """
    first_n, second_n = as_scores(first), as_scores(second)
    if len(first_n) != len(second_n):
        raise DataError(f"{len(first_n)} scores cannot be paired with {len(second_n)}")
    difference_n = without_rounding(second_n - first_n)
    sums_c = without_rounding(cluster_sums(difference_n, clusters))
    better, worse = int((difference_n > 0).sum()), int((difference_n < 0).sum())
    return PairedComparison(
        difference=mean_estimate(difference_n, clusters),
        p_value=_sign_flip_p_value(sums_c[sums_c != 0]),
        better=better,
        worse=worse,
        same=len(difference_n) - better - worse,
    )


def _sign_flip_p_value(sums_c: Array) -> float:
    """Share of sign assignments whose sum is at least as far from zero as the one seen.

    Where there are too many to count, 20,000 are drawn from a fixed seed, and the seen one counts
    as one of them (Phipson and Smyth 2010).
    """
    if not len(sums_c):
        return 1.0
    seen = abs(float(sums_c.sum())) * (1 - 1e-12)
    if (np.abs(np.abs(sums_c) - abs(sums_c[0])) < ROUNDING).all():
        return _binomial_p_value(len(sums_c), int((sums_c > 0).sum()))
    if len(sums_c) <= _EXACT_SIGN_FLIPS:
        return float(np.mean([abs(float(signs @ sums_c)) >= seen for signs in _signs(len(sums_c))]))
    random = np.random.default_rng(0)
    sums = [random.choice((-1.0, 1.0), len(sums_c)) @ sums_c for _ in range(_SIGN_FLIPS)]
    return float((1 + (np.abs(sums) >= seen).sum()) / (1 + _SIGN_FLIPS))


def _signs(count: int) -> Iterator[Array]:
    return (np.array(signs) for signs in product((-1.0, 1.0), repeat=count))


def _binomial_p_value(n: int, successes: int) -> float:
    """Two-sided exact test of a fair coin."""
    fewer = min(successes, n - successes)
    tail = sum(math.comb(n, i) for i in range(fewer + 1))
    return float(min(1.0, 2 * tail / 2**n))
