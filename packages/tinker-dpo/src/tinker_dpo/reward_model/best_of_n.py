"""Best of n: pairs of the best and the worst of a model's own responses, by a reward."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from itertools import permutations

import tinker
from attrs import field, frozen, validators

from tinker_core import DataError, Message, Reply, to_openai
from tinker_core.validators import positive
from tinker_data import PreferencePair
from tinker_data.layouts.fields import Messages
from tinker_render import Renderer
from tinker_train import engine_errors, gather

Reward = Callable[[Messages, Messages], Awaitable[float]]
"""Reward of a prompt and a response, like `RewardModel.reward`; higher is better."""


@frozen(kw_only=True)
class BestOfN:
    """Sampling settings of the responses."""

    n: int = field(default=8, validator=validators.ge(2))
    """Responses per prompt."""
    max_tokens: int = field(default=256, validator=validators.ge(1))
    """Longest response in tokens; a response that is cut short is not used."""
    temperature: float = field(default=1.0, validator=positive)
    seed: int | None = None
    """Makes sampling repeatable; prompt i has the seed plus i."""
    concurrency: int = field(default=64, validator=validators.ge(1))
    """Prompts that are sampled at once."""


@frozen(kw_only=True)
class BestOfNPairs:
    """The pairs of `best_of_n`."""

    pairs: tuple[PreferencePair, ...]
    num_unfinished: int
    """Responses that were cut short or malformed."""
    num_without_difference: int
    """Prompts without two different responses of different reward."""


def best_and_worst(
    prompt: Messages, responses: Sequence[Messages], rewards: Sequence[float]
) -> PreferencePair | None:
    """The pair of different responses with the greatest difference in reward; None without one.

    Of equal differences the first response counts, as chosen and then as rejected. Raises DataError
    if there is not one finite reward per response.
    """
    if len(responses) != len(rewards):
        raise DataError(f"{len(responses)} responses, but {len(rewards)} rewards")
    for number, reward in enumerate(rewards):
        if not math.isfinite(reward):
            raise DataError(f"the reward of response {number} is {reward}")
    different = [
        (i, j)
        for i, j in permutations(range(len(rewards)), 2)
        if rewards[i] > rewards[j] and responses[i] != responses[j]
    ]
    if not different:
        return None
    best, worst = max(different, key=lambda pair: rewards[pair[0]] - rewards[pair[1]])
    return PreferencePair(prompt=prompt, chosen=responses[best], rejected=responses[worst])


async def best_of_n(
    sampler: tinker.SamplingClient,
    renderer: Renderer,
    prompts: Sequence[Messages],
    reward: Reward,
    settings: BestOfN,
) -> BestOfNPairs:
    """Sample responses to every prompt, reward the finished ones, pair the best with the worst.

    Raises EngineError, and whatever `reward` raises.
    """

    async def one(number: int, prompt: Messages) -> tuple[PreferencePair | None, int]:
        finished = await _sample(sampler, renderer, prompt, settings, number)
        rewards = [await reward(prompt, response) for response in finished]
        return best_and_worst(prompt, finished, rewards), settings.n - len(finished)

    calls = (one(number, prompt) for number, prompt in enumerate(prompts))
    results = await gather(calls, limit=settings.concurrency)
    pairs = tuple(pair for pair, _ in results if pair is not None)
    return BestOfNPairs(
        pairs=pairs,
        num_unfinished=sum(unfinished for _, unfinished in results),
        num_without_difference=len(prompts) - len(pairs),
    )


def pair_row(pair: PreferencePair) -> dict[str, list[dict[str, object]]]:
    """The pair as a row of a JSONL file, which `read_pair` parses."""
    sides = {"prompt": pair.prompt, "chosen": pair.chosen, "rejected": pair.rejected}
    return {name: [to_openai(message) for message in side] for name, side in sides.items()}


async def _sample(
    sampler: tinker.SamplingClient,
    renderer: Renderer,
    prompt: Messages,
    settings: BestOfN,
    number: int,
) -> list[tuple[Message, ...]]:
    params = tinker.SamplingParams(
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        seed=None if settings.seed is None else settings.seed + number,
        stop=renderer.get_stop_sequences(),
    )
    with engine_errors("sample"):
        response = await sampler.sample(
            renderer.build_generation_prompt(prompt), settings.n, params
        )
    outcomes = [renderer.parse_response(sequence.tokens) for sequence in response.sequences]
    return [(outcome.message,) for outcome in outcomes if isinstance(outcome, Reply)]
