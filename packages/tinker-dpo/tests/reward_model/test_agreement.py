"""Shares of judgements and their intervals."""

import asyncio

import pytest

from tinker_core import Comparison, DataError
from tinker_dpo import agreement, judge, share, win_rate


class Longer:
    """Prefers the longer response; of two as long, neither."""

    async def prefer(self, comparison: Comparison) -> float:
        first, second = (len(side[0].text) for side in (comparison.first, comparison.second))
        return 0.5 if first == second else float(first > second)


class FirstPlace:
    """Always prefers the first response."""

    async def prefer(self, comparison: Comparison) -> float:
        return 0.9


def test_agreement_counts_what_was_chosen_and_half_of_the_ties(pair) -> None:
    pairs = [pair("long", "s"), pair("longer", "s"), pair("s", "long"), pair("ab", "cd")]
    result = asyncio.run(agreement(Longer(), pairs))
    assert (result.value, result.n) == (2.5 / 4, 4)


def test_a_win_has_to_hold_in_both_orders(compare) -> None:
    assert asyncio.run(win_rate(Longer(), [compare("long", "s")] * 3)).value == 1.0
    assert asyncio.run(win_rate(FirstPlace(), [compare("a", "b")] * 3)).value == 0.5


def test_the_same_response_twice_is_a_tie_that_nobody_is_asked_about(compare) -> None:
    assert asyncio.run(judge(FirstPlace(), [compare("a", "a"), compare("a", "b")])) == [0.5, 0.9]


def test_wilsons_interval_by_hand() -> None:
    # 8 of 10, z = 1.96: centre (0.8 + 0.19207) / 1.38415 = 0.71674, half-width 0.22656
    result = share([1.0] * 8 + [0.0] * 2)
    assert (result.low, result.high) == (
        pytest.approx(0.4902, abs=1e-4),
        pytest.approx(0.9433, abs=1e-4),
    )
    everything = share([1.0] * 10)
    assert everything.low == pytest.approx(0.7225, abs=1e-4)
    assert everything.high == pytest.approx(1.0)


def test_there_is_no_share_of_nothing() -> None:
    with pytest.raises(DataError, match="no judgement"):
        share([])
