"""A chi-squared test of observed tokens against known probabilities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np

SIGMAS = 6.0
"""A right server exceeds the bound once in a billion runs."""
MIN_EXPECTED = 5.0
"""Tokens with smaller expected counts are pooled, as is usual for the chi-squared test."""


def chi_squared(observed: Counter[int], probabilities: Mapping[int, float]) -> tuple[float, float]:
    """Pearson's statistic and the bound that it must stay below.

    `probabilities` may sum to less than 1: tokens that are not listed count as one further class.
    """
    total = sum(observed.values())
    rest = max(0.0, 1.0 - sum(probabilities.values()))
    pooled_expected, pooled_observed = rest * total, float(total)
    statistic, classes = 0.0, 0
    for token, probability in probabilities.items():
        expected = probability * total
        if expected < MIN_EXPECTED:
            pooled_expected += expected
            continue
        pooled_observed -= observed[token]
        statistic += (observed[token] - expected) ** 2 / expected
        classes += 1
    if pooled_expected >= MIN_EXPECTED:
        statistic += (pooled_observed - pooled_expected) ** 2 / pooled_expected
        classes += 1
    elif pooled_observed > pooled_expected + SIGMAS * (np.sqrt(pooled_expected) + 1):
        statistic = float("inf")  # tokens that should hardly ever be drawn
    return statistic, upper_bound(max(classes - 1, 1))


def upper_bound(freedom: int) -> float:
    """The chi-squared quantile at `SIGMAS` (Wilson and Hilferty 1931)."""
    spread = 2.0 / (9.0 * freedom)
    return float(freedom * (1.0 - spread + SIGMAS * np.sqrt(spread)) ** 3)


def restricted(logprobs: Mapping[int, float], temperature: float) -> dict[int, float]:
    """softmax(lp / T) over the given tokens alone.

    The probabilities of draws at temperature T given that one of these tokens was drawn.
    """
    scaled = np.array(list(logprobs.values())) / temperature
    weights = np.exp(scaled - scaled.max())
    return dict(zip(logprobs, (weights / weights.sum()).tolist(), strict=True))


def counts(tokens: Iterable[int], among: Iterable[int] | None = None) -> Counter[int]:
    """The number of occurrences of each token, of those in `among` if given."""
    kept = None if among is None else set(among)
    return Counter(token for token in tokens if kept is None or token in kept)
