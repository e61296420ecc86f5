"""Means with standard errors and 95 % intervals, and pass@k.

Scores have shape (n,), one per item. Items that share a source (a passage, a template) form a
cluster: `clusters` names the cluster of each item. Scores of one cluster are not independent, which
makes the standard error larger.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
from attrs import frozen
from numpy.typing import ArrayLike, NDArray

from tinker_core import DataError

Z95 = 1.959963984540054
"""The 97.5 % point of the normal distribution."""

ROUNDING = 1e-12
"""Differences between scores below this come from rounding and count as zero."""

Clusters = Sequence[Hashable] | None
Array = NDArray[np.float64]


@frozen(kw_only=True)
class Estimate:
    """A mean over `n` items with its uncertainty. Values that are not defined are nan."""

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
    scores_n = as_scores(scores)
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
    scores_n = as_scores(scores)
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


def as_scores(scores: ArrayLike) -> Array:
    """Scores as an array of shape (n,). Raises DataError for another shape and for nan."""
    scores_n = np.asarray(scores, dtype=np.float64)
    if scores_n.ndim != 1:
        raise DataError(f"scores have shape (n,), not {scores_n.shape}")
    if not np.isfinite(scores_n).all():
        raise DataError("a score is not a finite number")
    return scores_n


def without_rounding(values_n: Array) -> Array:
    """Values with zero in place of what is only a rounding error."""
    return np.where(np.abs(values_n) < ROUNDING, 0.0, values_n)


def _mean(scores_n: Array) -> float:
    return float(scores_n.mean()) if len(scores_n) else math.nan


def cluster_sums(values_n: Array, clusters: Clusters) -> Array:
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
    deviations_n = without_rounding(scores_n - scores_n.mean())
    sums_c = without_rounding(cluster_sums(deviations_n, clusters))
    return len(sums_c), float((sums_c**2).sum()) / len(scores_n) ** 2


def _standard_error(scores_n: Array, clusters: Clusters) -> float:
    """Cluster-robust (Miller 2024, section 2.2), times g / (g - 1) for g clusters.

    With one item a cluster that is the usual standard deviation (n - 1) over the root of n.
    """
    groups, variance = _variance_of_mean(scores_n, clusters)
    return math.sqrt(variance * groups / (groups - 1)) if groups > 1 else math.nan
