"""Agreement of a preference model with labels, and win rates of models, with intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from attrs import frozen

from tinker_core import Comparison, DataError, PreferenceModel
from tinker_data import PreferencePair
from tinker_dpo.data.preference import comparison_of
from tinker_train import gather

_Z = 1.959963984540054  # of the standard normal distribution, two-sided 95 %


@frozen(kw_only=True)
class Share:
    """A share of n judgements and its 95 % interval."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.1%} [{self.low:.1%}, {self.high:.1%}] of {self.n}"


def share(votes: Sequence[float]) -> Share:
    """The mean of votes (0, 1, or 0.5 for a tie) with Wilson's score interval.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927. The
    interval stays within 0 and 1, and is not empty if all votes are equal. Votes count as
    independent. Raises DataError if there is none.
    """
    n = len(votes)
    if n == 0:
        raise DataError("no judgement to take a share of")
    mean, z2 = sum(votes) / n, _Z**2
    middle = (mean + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * math.sqrt(mean * (1 - mean) / n + z2 / (4 * n**2))
    return Share(value=mean, low=max(0.0, middle - half), high=min(1.0, middle + half), n=n)


def vote(probability: float) -> float:
    """1 if the first response probably wins, 0 if the second does, 0.5 for a tie."""
    return 0.5 if probability == 0.5 else float(probability > 0.5)


async def judge(
    model: PreferenceModel, comparisons: Iterable[Comparison], *, concurrency: int = 64
) -> list[float]:
    """The probability that the first response wins, for each comparison, in order.

    Two equal responses are a tie without a query, because rounding would decide it.
    """

    async def prefer(comparison: Comparison) -> float:
        if comparison.first == comparison.second:
            return 0.5
        return await model.prefer(comparison)

    return await gather(map(prefer, comparisons), limit=concurrency)


async def agreement(
    model: PreferenceModel, pairs: Sequence[PreferencePair], *, concurrency: int = 64
) -> Share:
    """Share of the pairs whose chosen response the model prefers; a tie counts one half."""
    comparisons = [comparison_of(pair) for pair in pairs]
    return share([vote(p) for p in await judge(model, comparisons, concurrency=concurrency)])


async def win_rate(
    model: PreferenceModel, comparisons: Sequence[Comparison], *, concurrency: int = 64
) -> Share:
    """Share of the comparisons that the first response wins, each judged in both orders.

    If the two orders disagree, it is a tie, which counts one half.
    """
    both = [c for comparison in comparisons for c in (comparison, comparison.swapped)]
    probabilities = await judge(model, both, concurrency=concurrency)
    pairs = zip(probabilities[::2], probabilities[1::2], strict=True)
    return share([(vote(there) + 1.0 - vote(back)) / 2 for there, back in pairs])
