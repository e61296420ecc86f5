"""Best of n: which responses become a pair."""

import asyncio

import numpy as np
import pytest
import tinker
from attrs import define, field
from tinker import types

from tinker_core import DataError, as_conversation
from tinker_core.testing import ReadyFuture
from tinker_data import RawRow
from tinker_dpo import BestOfN, best_and_worst, best_of_n, pair_row, read_pair


def said(role: str, text: str):
    return as_conversation([{"role": role, "content": text}])


PROMPT = said("user", "q")
RESPONSES = [said("assistant", text) for text in ("a", "bb", "ccc")]


def test_the_highest_reward_is_chosen_and_the_lowest_rejected() -> None:
    pair = best_and_worst(PROMPT, RESPONSES, [0.2, -1.0, 0.7])
    assert (pair.chosen, pair.rejected) == (RESPONSES[2], RESPONSES[1])


def test_equal_rewards_or_a_single_response_make_no_pair() -> None:
    assert best_and_worst(PROMPT, RESPONSES, [1.0, 1.0, 1.0]) is None
    assert best_and_worst(PROMPT, RESPONSES[:1], [1.0]) is None
    assert best_and_worst(PROMPT, [RESPONSES[0]] * 2, [1.0, 0.5]) is None


def test_rewards_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="3 responses, but 2 rewards"):
        best_and_worst(PROMPT, RESPONSES, [1.0, 2.0])


@define
class ScriptedSampler:
    """Answers every prompt with the same texts; one that ends in `...` is cut short."""

    renderer: object
    texts: list[str]
    seeds: list[int] = field(factory=list)

    def sample(self, prompt: tinker.ModelInput, num_samples: int, params: tinker.SamplingParams):
        self.seeds.append(params.seed)
        encode = self.renderer.tokenizer.encode
        ends = [[] if text.endswith("...") else list(params.stop) for text in self.texts]
        tokens = [encode(text) + end for text, end in zip(self.texts, ends, strict=True)]
        assert num_samples == len(tokens)
        sequences = [
            types.SampledSequence(
                sequence_id="scripted",
                tokens_np=np.array(row, dtype=np.int32),
                logprobs_np=np.zeros(len(row), dtype=np.float32),
                stop_reason="stop",
            )
            for row in tokens
        ]
        return ReadyFuture(lambda: types.SampleResponse(sequences=sequences))


def test_finished_responses_are_judged_and_the_rest_counted(renderer) -> None:
    sampler = ScriptedSampler(renderer, ["a", "ccc", "dddd...", "bb"])

    async def length(prompt, response) -> float:
        return float(len(response[0].text))

    async def draw(reward):
        settings = BestOfN(n=4, seed=5)
        return await best_of_n(sampler, renderer, [PROMPT, said("user", "r")], reward, settings)

    result = asyncio.run(draw(length))
    assert [pair.chosen[0].text for pair in result.pairs] == ["ccc", "ccc"]
    assert [pair.rejected[0].text for pair in result.pairs] == ["a", "a"]
    assert (result.num_unfinished, result.num_without_difference) == (2, 0)
    assert sampler.seeds == [5, 6]

    async def indifferent(prompt, response) -> float:
        return 1.0

    assert asyncio.run(draw(indifferent)).num_without_difference == 2


def test_a_pair_survives_being_written_down(renderer) -> None:
    pair = best_and_worst(PROMPT, RESPONSES, [0.0, 1.0, 2.0])
    assert read_pair(RawRow(content=pair_row(pair))) == pair


@pytest.mark.parametrize("reward", [float("nan"), float("inf"), float("-inf")])
def test_a_reward_that_is_not_finite_is_refused(reward) -> None:
    with pytest.raises(DataError, match="the reward of response 1 is"):
        best_and_worst(PROMPT, RESPONSES, [1.0, reward, 0.0])


@pytest.mark.parametrize(
    ("texts", "rewards", "expected"),
    [
        ("ABA", [1.0, 0.5, 0.0], "AB"),  # the best and the worst have the same text
        ("ABCD", [1.0, 1.0, 0.0, 0.0], "AC"),  # of equal rewards the first
        ("AAB", [0.0, 1.0, 0.75], "BA"),
        ("ABB", [1.0, 0.0, 0.0], "AB"),
    ],
)
def test_the_pair_is_the_first_of_those_with_the_greatest_difference(
    texts, rewards, expected
) -> None:
    pair = best_and_worst(PROMPT, [said("assistant", text) for text in texts], rewards)
    assert pair.chosen[0].text + pair.rejected[0].text == expected
