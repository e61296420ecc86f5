"""Pairs from a model's own responses: the best of n by a reward, and the worst."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import tinker
from attrs import field, frozen, validators

from tinker_core import DataError, Message, Reply, to_openai
from tinker_data import PreferencePair
from tinker_dpo.data.judged_response import Messages
from tinker_render import Renderer
from tinker_train import engine_errors, task_group

Reward = Callable[[Messages, Messages], Awaitable[float]]
"""Of prompt and response, as `RewardModel.reward` is; higher is better."""


@frozen(kw_only=True)
class BestOfN:
    """How responses are drawn."""

    n: int = field(default=8, validator=validators.ge(2))
    """Responses to a prompt."""
    max_tokens: int = field(default=256, validator=validators.ge(1))
    """Longest response; one that is cut short is not used."""
    temperature: float = field(default=1.0, validator=validators.gt(0.0))
    seed: int | None = None
    """Makes the draw repeatable; prompt number i has the seed plus i."""
    concurrency: int = field(default=64, validator=validators.ge(1))
    """Prompts under way at a time."""


@frozen(kw_only=True)
class BestOfNPairs:
    """What came of it."""

    pairs: tuple[PreferencePair, ...]
    num_unfinished: int
    """Responses that were cut short or malformed."""
    num_without_difference: int
    """Prompts whose responses were all worth the same, or fewer than two."""


def best_and_worst(
    prompt: Messages, responses: Sequence[Messages], rewards: Sequence[float]
) -> PreferencePair | None:
    """The pair of the highest and the lowest reward; None where all are equal, or there is one.

    Of equal rewards the first counts. Raises DataError for a number of rewards that does not fit.
    """
    if len(responses) != len(rewards):
        raise DataError(f"{len(responses)} responses, but {len(rewards)} rewards")
    if len(responses) < 2:
        return None
    order = sorted(range(len(rewards)), key=lambda i: -rewards[i])
    best, worst = order[0], order[-1]
    if rewards[best] == rewards[worst] or responses[best] == responses[worst]:
        return None
    return PreferencePair(prompt=prompt, chosen=responses[best], rejected=responses[worst])


async def best_of_n(
    sampler: tinker.SamplingClient,
    renderer: Renderer,
    prompts: Sequence[Messages],
    reward: Reward,
    settings: BestOfN,
) -> BestOfNPairs:
    """Draw responses to every prompt, judge the finished ones, and pair the best with the worst.

    Raises EngineError, and whatever `reward` raises.
    """
    room = asyncio.Semaphore(settings.concurrency)

    async def one(number: int, prompt: Messages) -> tuple[PreferencePair | None, int]:
        async with room:
            finished = await _draw(sampler, renderer, prompt, settings, number)
            rewards = [await reward(prompt, response) for response in finished]
        return best_and_worst(prompt, finished, rewards), settings.n - len(finished)

    async with task_group() as tasks:
        running = [tasks.create_task(one(i, prompt)) for i, prompt in enumerate(prompts)]
    results = [task.result() for task in running]
    pairs = tuple(pair for pair, _ in results if pair is not None)
    return BestOfNPairs(
        pairs=pairs,
        num_unfinished=sum(unfinished for _, unfinished in results),
        num_without_difference=len(prompts) - len(pairs),
    )


def pair_row(pair: PreferencePair) -> dict[str, list[dict[str, object]]]:
    """The pair as a row for a JSONL file, which `read_pair` reads back."""
    sides = {"prompt": pair.prompt, "chosen": pair.chosen, "rejected": pair.rejected}
    return {name: [to_openai(message) for message in side] for name, side in sides.items()}


async def _draw(
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
