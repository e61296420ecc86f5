"""Reinforcement learning by hand: the whole algorithm in one file, without tinker-rl.

A policy gradient with the mean reward of a group as its baseline. The model answers each problem
several times. Answers with a higher reward than the mean of their group become more likely, the
others less likely:

    loss = -sum over sampled tokens of  p(token) / q(token) * (reward - mean reward of the group)

q is the probability under the sampler and p the one under the trained model. Here both are equal,
because each batch has one optimizer step. Unlike GRPO, the loop does not divide by the standard
deviation of the group.

    python rl_loop.py                 sums with a tiny test model, one minute on two cores
    python rl_loop.py --steps 5
"""

from __future__ import annotations

import asyncio
import random
import sys

import tinker
import tyro
from attrs import frozen

from tinker_core import PostTrainingError, next_token_datum
from tinker_render import Renderer, get_recommended_renderer_name, get_renderer, get_tokenizer
from tinker_train import connect


@frozen(kw_only=True)
class Settings:
    """Settings of the run."""

    model: str = "local/tiny"
    steps: int = 20
    problems: int = 16
    """Problems in a batch."""
    attempts: int = 16
    """Attempts at each problem."""
    learning_rate: float = 2e-3
    seed: int = 0


async def attempt_sum(
    sampler: tinker.SamplingClient, renderer: Renderer, settings: Settings, draw: random.Random
) -> tuple[list[tinker.Datum], list[float]]:
    """Attempts at a random sum, sampled in one call: their datums and their rewards."""
    a, b = draw.randrange(10), draw.randrange(10)
    prompt = renderer.build_generation_prompt([{"role": "user", "content": f"What is {a}+{b}?"}])
    params = tinker.SamplingParams(
        max_tokens=5, stop=renderer.get_stop_sequences(), seed=draw.randrange(2**31)
    )
    response = await sampler.sample(prompt, settings.attempts, params)
    answers = [renderer.parse_response(x.tokens).message.text for x in response.sequences]
    rewards = [float(answer == str(a + b)) for answer in answers]
    mean = sum(rewards) / len(rewards)
    zeros = [0.0] * prompt.length
    datums = [
        next_token_datum(
            [*prompt.to_ints(), *sequence.tokens],
            logprobs=[*zeros, *sequence.logprobs],
            advantages=[*zeros, *([reward - mean] * len(sequence.tokens))],
        )
        for sequence, reward in zip(response.sequences, rewards, strict=True)
        if reward != mean
    ]
    return datums, rewards


async def train(service: tinker.ServiceClient, settings: Settings) -> list[float]:
    """The mean reward of each step."""
    name = get_recommended_renderer_name(settings.model)
    renderer = get_renderer(name, get_tokenizer(settings.model))
    training = await service.create_lora_training_client(settings.model, seed=settings.seed)
    adam = tinker.AdamParams(learning_rate=settings.learning_rate)
    draw = random.Random(settings.seed)
    history = []
    for step in range(settings.steps):
        sampler = await training.save_weights_and_get_sampling_client()
        groups = await asyncio.gather(
            *(attempt_sum(sampler, renderer, settings, draw) for _ in range(settings.problems))
        )
        datums = [datum for group, _ in groups for datum in group]
        rewards = [reward for _, rewards in groups for reward in rewards]
        history.append(sum(rewards) / len(rewards))
        print(f"step {step:3}  reward {history[-1]:.3f}  {len(datums)} attempts with a gradient")
        if datums:
            backward = training.forward_backward(datums, "importance_sampling")
            update = training.optim_step(adam)  # submitted together, so that the engine never waits
            await backward
            await update
    return history


def main(arguments: list[str] | None = None) -> list[float]:
    """Find an engine and train on it."""
    settings = tyro.cli(Settings, args=arguments, description=__doc__)
    with connect() as engine:
        print(engine.description)
        return asyncio.run(train(engine.service, settings))


if __name__ == "__main__":
    try:
        main()
    except PostTrainingError as error:
        sys.exit(f"rl_loop: {error}")
