"""Reinforcement learning by hand: the whole algorithm in one file, without tinker-rl.

A policy gradient with the group's mean as baseline. For each of a few problems the model answers
several times; an answer that is right more often than its group is made likelier, one that is
right less often less likely:

    loss = -sum over sampled tokens of  p(token) / q(token) * (reward - mean reward of the group)

q is the probability at sampling time, p the one in training; both are the same here, until the
step is made. It departs from GRPO in that it does not divide by the group's deviation.

    python rl_loop.py                 sums, by a model made for tests, a minute on two cores
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
    """What to train, and how."""

    model: str = "local/tiny"
    steps: int = 20
    problems: int = 16
    """In a batch."""
    attempts: int = 16
    """At each problem."""
    learning_rate: float = 2e-3
    seed: int = 0


async def attempt_sum(
    sampler: tinker.SamplingClient, renderer: Renderer, settings: Settings, draw: random.Random
) -> tuple[list[tinker.Datum], list[float]]:
    """Attempts at a sum that is drawn, by one call: rewards, and datums where they differ."""
    a, b = draw.randrange(10), draw.randrange(10)
    prompt = renderer.build_generation_prompt([{"role": "user", "content": f"What is {a}+{b}?"}])
    params = tinker.SamplingParams(
        max_tokens=5, stop=renderer.get_stop_sequences(), seed=draw.randrange(2**31)
    )
    response = await sampler.sample(prompt, settings.attempts, params)
    answers = [renderer.parse_response(x.tokens).message.text for x in response.sequences]
    rewards = [float(answer == str(a + b)) for answer in answers]
    mean = sum(rewards) / len(rewards)
    seen = [0.0] * prompt.length
    datums = [
        next_token_datum(
            [*prompt.to_ints(), *sequence.tokens],
            logprobs=[*seen, *sequence.logprobs],
            advantages=[*seen, *([reward - mean] * len(sequence.tokens))],
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
        print(f"step {step:3}  reward {history[-1]:.3f}  {len(datums)} attempts to learn from")
        if datums:
            backward = training.forward_backward(datums, "importance_sampling")
            update = training.optim_step(adam)  # submitted together: the engine never waits
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
