"""What a number is worth: standard errors, 95 % intervals, pass@k, paired comparison.

Scores have shape (n,), one an item. Where several items share a source (a passage, a template), a
cluster's name for each says so: their scores are not independent, and the error is larger.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from itertools import product

import numpy as np
from attrs import frozen
from numpy.typing import ArrayLike, NDArray

from tinker_core import DataError

Z95 = 1.959963984540054
"""The 97.5 % point of the normal distribution."""

_EXACT_SIGN_FLIPS = 14
"""Up to so many clusters that differ, every assignment of signs is counted: 2**14 of them."""
_SIGN_FLIPS = 20_000

Clusters = Sequence[Hashable] | None
Array = NDArray[np.float64]


@frozen(kw_only=True)
class Estimate:
    """A mean over `n` items, and how sure it is. All are nan where they cannot be known."""

    value: float
    standard_error: float
    """nan below two clusters."""
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end of the 95 % interval."""
    n: int

    def __str__(self) -> str:
        error = "" if math.isnan(self.standard_error) else f" ± {self.standard_error:.3f}"
        return f"{self.value:.3f}{error} [{self.low:.3f}, {self.high:.3f}]"


def mean_estimate(scores: ArrayLike, clusters: Clusters = None) -> Estimate:
    """The mean of any numbers, with a normal interval."""
    scores_n = _column(scores)
    mean, error = _mean(scores_n), _standard_error(scores_n, clusters)
    reach = Z95 * error
    return Estimate(
        value=mean, standard_error=error, low=mean - reach, high=mean + reach, n=len(scores_n)
    )


def share_estimate(scores: ArrayLike, clusters: Clusters = None) -> Estimate:
    """The mean of scores between 0 and 1, with Wilson's interval (JASA 22, 1927).

    A normal interval around 10 of 10 right has no width; this one has. Clusters and fractional
    scores enter as an effective number of items, p(1 - p) over the variance of the mean (Franco et
    al., J. Survey Stat. Methodol. 7, 2019), which for plain 0 and 1 is the number of items. Raises
    DataError for a score outside.
    """
    scores_n = _column(scores)
    if len(scores_n) and not (scores_n.min() >= 0 and scores_n.max() <= 1):
        raise DataError(f"a score is between 0 and 1, not {scores_n.min()} or {scores_n.max()}")
    mean, (groups, variance) = _mean(scores_n), _variance_of_mean(scores_n, clusters)
    spread = mean * (1 - mean)
    effective = spread / variance if variance > 0 else float(groups)
    low, high = wilson_interval(mean, effective)
    error = _standard_error(scores_n, clusters)
    return Estimate(value=mean, standard_error=error, low=low, high=high, n=len(scores_n))


def wilson_interval(share: float, n: float) -> tuple[float, float]:
    """The 95 % interval of a share seen in `n` trials; nan at none."""
    if not n > 0:
        return math.nan, math.nan
    denominator = 1 + Z95**2 / n
    centre = (share + Z95**2 / (2 * n)) / denominator
    reach = Z95 / denominator * math.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2))
    return (centre - reach if share > 0 else 0.0), (centre + reach if share < 1 else 1.0)


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """The probability that at least one of `k` samples is right, unbiased.

    1 - C(n - c, k) / C(n, k), Chen et al. 2021 (arXiv:2107.03374), section 2.1. Raises DataError
    unless 1 <= k <= n and 0 <= c <= n.
    """
    if not (1 <= k <= samples and 0 <= correct <= samples):
        raise DataError(f"no pass@{k} of {samples} samples, {correct} of them right")
    return 1.0 - math.comb(samples - correct, k) / math.comb(samples, k)


@frozen(kw_only=True)
class Comparison:
    """Two models on the same items. `difference` is the second minus the first."""

    difference: Estimate
    p_value: float
    """Two-sided; how often a difference at least as large comes up if the two are alike."""
    better: int
    """Items on which the second scored higher."""
    worse: int
    """Items on which the second scored lower."""
    same: int


def compare_paired(first: ArrayLike, second: ArrayLike, clusters: Clusters = None) -> Comparison:
    """Compare scores of the same items, shape (n,) each.

    The interval is that of the mean difference (Miller 2024, arXiv:2411.00640, section 4.2). The
    p-value is a sign-flip test over clusters: under the null, each cluster's difference might as
    well have the other sign. For scores of 0 and 1 without clusters that is McNemar's exact test.
    """
    first_n, second_n = _column(first), _column(second)
    if len(first_n) != len(second_n):
        raise DataError(f"{len(first_n)} scores cannot be paired with {len(second_n)}")
    difference_n = second_n - first_n
    sums_c = _cluster_sums(difference_n, clusters)
    better, worse = int((difference_n > 0).sum()), int((difference_n < 0).sum())
    return Comparison(
        difference=mean_estimate(difference_n, clusters),
        p_value=_sign_flip_p_value(sums_c[sums_c != 0]),
        better=better,
        worse=worse,
        same=len(difference_n) - better - worse,
    )


def _column(scores: ArrayLike) -> Array:
    scores_n = np.asarray(scores, dtype=np.float64)
    if scores_n.ndim != 1:
        raise DataError(f"scores have shape (n,), not {scores_n.shape}")
    if not np.isfinite(scores_n).all():
        raise DataError("a score is not a finite number")
    return scores_n


def _mean(scores_n: Array) -> float:
    return float(scores_n.mean()) if len(scores_n) else math.nan


def _cluster_sums(values_n: Array, clusters: Clusters) -> Array:
    """The sum of each cluster, shape (number of clusters,); without clusters, the values."""
    if clusters is None:
        return values_n
    if len(clusters) != len(values_n):
        raise DataError(f"{len(values_n)} scores, but {len(clusters)} clusters")
    index = {name: i for i, name in enumerate(dict.fromkeys(clusters))}
    sums_c = np.zeros(len(index))
    np.add.at(sums_c, [index[name] for name in clusters], values_n)
    return sums_c


def _variance_of_mean(scores_n: Array, clusters: Clusters) -> tuple[int, float]:
    """The number of clusters, and the variance of the mean without a correction for few of them."""
    if not len(scores_n):
        return 0, math.nan
    sums_c = _cluster_sums(scores_n - scores_n.mean(), clusters)
    return len(sums_c), float((sums_c**2).sum()) / len(scores_n) ** 2


def _standard_error(scores_n: Array, clusters: Clusters) -> float:
    """Cluster-robust (Miller 2024, section 2.2), times g / (g - 1) for g clusters.

    With one item a cluster that is the usual standard deviation (n - 1) over the root of n.
    """
    groups, variance = _variance_of_mean(scores_n, clusters)
    return math.sqrt(variance * groups / (groups - 1)) if groups > 1 else math.nan


def _sign_flip_p_value(sums_c: Array) -> float:
    """Share of sign assignments whose sum is at least as far from zero as the one seen.

    Where there are too many to count, 20,000 are drawn from a fixed seed, and the seen one counts
    as one of them (Phipson and Smyth 2010).
    """
    if not len(sums_c):
        return 1.0
    seen = abs(float(sums_c.sum())) * (1 - 1e-12)
    if (np.abs(sums_c) == abs(sums_c[0])).all():
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
