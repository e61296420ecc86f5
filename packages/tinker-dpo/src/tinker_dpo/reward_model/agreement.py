"""How often a preference model is right, how often one model's responses win: with intervals."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Sequence

from attrs import frozen

from tinker_core import Comparison, DataError, PreferenceModel
from tinker_data import PreferencePair
from tinker_dpo.reward_model.comparison import comparison_of
from tinker_train import task_group

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
    """The mean of votes, each 0, 1 or, for a tie, 0.5, with Wilson's score interval.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927: it
    keeps within 0 and 1 and is not empty where all votes are alike. Votes count as independent.
    Raises DataError where there is none.
    """
    n = len(votes)
    if n == 0:
        raise DataError("no judgement to take a share of")
    mean, z2 = sum(votes) / n, _Z**2
    middle = (mean + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * math.sqrt(mean * (1 - mean) / n + z2 / (4 * n**2))
    return Share(value=mean, low=max(0.0, middle - half), high=min(1.0, middle + half), n=n)


def vote(probability: float) -> float:
    """1 where the first one is more likely to be better, 0 where the second is, else 0.5."""
    return 0.5 if probability == 0.5 else float(probability > 0.5)


async def judge(
    model: PreferenceModel, comparisons: Iterable[Comparison], *, concurrency: int = 64
) -> list[float]:
    """The probability that the first one wins, for each comparison, in their order.

    No more than `concurrency` are under way at a time. Two responses that are the same are a tie
    that nobody is asked about: the model's rounding would decide it.
    """
    room = asyncio.Semaphore(concurrency)

    async def one(comparison: Comparison) -> float:
        if comparison.first == comparison.second:
            return 0.5
        async with room:
            return await model.prefer(comparison)

    async with task_group() as tasks:
        running = [tasks.create_task(one(comparison)) for comparison in comparisons]
    return [task.result() for task in running]


async def agreement(
    model: PreferenceModel, pairs: Sequence[PreferencePair], *, concurrency: int = 64
) -> Share:
    """How often the model prefers what was chosen; a tie counts one half."""
    comparisons = [comparison_of(pair) for pair in pairs]
    return share([vote(p) for p in await judge(model, comparisons, concurrency=concurrency)])


async def win_rate(
    model: PreferenceModel, comparisons: Sequence[Comparison], *, concurrency: int = 64
) -> Share:
    """How often the first response wins; each is judged in both orders, and they have to agree.

    Where they do not, it is a tie, which counts one half.
    """
    both = [c for comparison in comparisons for c in (comparison, comparison.swapped)]
    probabilities = await judge(model, both, concurrency=concurrency)
    pairs = zip(probabilities[::2], probabilities[1::2], strict=True)
    return share([(vote(there) + 1.0 - vote(back)) / 2 for there, back in pairs])
