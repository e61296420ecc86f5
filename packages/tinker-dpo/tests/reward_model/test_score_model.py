"""The reward model over a scripted sampler."""

import asyncio
import math

import pytest

from tinker_core import DataError
from tinker_dpo import BradleyTerry, centred, score_model


def test_a_reward_is_the_log_odds_of_the_label(renderer, compare, scripted) -> None:
    sampler = scripted(lambda text: math.log(0.8 if "good" in text else 0.5))
    model = score_model(sampler, renderer, BradleyTerry(question="fine?", label="Y"))

    def reward(text: str) -> float:
        comparison = compare(text, "other")
        return asyncio.run(model.reward(comparison.prompt, comparison.first))

    assert reward("good") == pytest.approx(math.log(4), rel=1e-6)
    assert reward("meh") == pytest.approx(0.0, abs=1e-6)
    assert sampler.asked[0].endswith("fine?<|im_end|>\n<|im_start|>assistant\nY")
    assert asyncio.run(model.prefer(compare("good", "meh"))) == pytest.approx(4 / 5)


def test_a_centred_reward_is_zero_halfway_between_chosen_and_rejected(
    renderer, pair, scripted
) -> None:
    sampler = scripted(lambda text: -20.0 if "nice" in text else -24.0)
    model = score_model(sampler, renderer, BradleyTerry())
    pairs = [pair("nice", "bad"), pair("nice one", "bad one")]
    centred_model = asyncio.run(centred(model, pairs))

    def reward(text: str) -> float:
        return asyncio.run(centred_model.reward(pairs[0].prompt, pair(text, "x").chosen))

    assert (reward("nice"), reward("bad")) == (pytest.approx(2.0), pytest.approx(-2.0))
    with pytest.raises(DataError, match="no pair to centre"):
        asyncio.run(centred(model, []))
