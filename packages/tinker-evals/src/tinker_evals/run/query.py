"""Asking a model one problem: sampled replies that are graded, or continuations that are ranked."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Awaitable, Callable

import tinker

from tinker_core import Message, Reply
from tinker_evals.dataset.item import Item
from tinker_evals.graders.grade import Grade, MessageGrader
from tinker_evals.model.model import Model
from tinker_evals.run.prompts import Prompter
from tinker_evals.run.sample import Sample, make_sample
from tinker_evals.run.settings import Sampling
from tinker_evals.tasks.task import AnyTask, RankingTask, Task
from tinker_train import task_group

Ask = Callable[[Item, int, int], Awaitable[list[Sample]]]
"""The replies to an item, from number `first`, so many of them. Raises what the engine raises."""


def asking(task: AnyTask, model: Model, sampling: Sampling) -> Ask:
    """How the task is put to the model. Raises ConfigError."""
    if isinstance(task, RankingTask):
        return _ranking(model)
    return _replying(task, model, Prompter.of(task, model.renderer, sampling))


def _replying(task: Task, model: Model, prompter: Prompter) -> Ask:
    sampling = prompter.sampling

    async def ask(item: Item, first: int, count: int) -> list[Sample]:
        prompt = prompter.prompt(item)
        params = tinker.SamplingParams(
            max_tokens=model.room(prompt.model_input, sampling.max_tokens or task.max_tokens),
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            stop=prompt.stop,
            seed=_seed(sampling.seed, item.id, first),
        )
        response = await model.client.sample(prompt.model_input, count, params)
        samples = []
        for number, sequence in enumerate(response.sequences, start=first):
            outcome = prompter.outcome(sequence, item)
            grade = await _grade(task, outcome.message, item)
            tokens = len(sequence.tokens)
            samples.append(make_sample(item, number, outcome, grade, prompt.shown, tokens))
        return samples

    return ask


async def _grade(task: Task, message: Message, item: Item) -> Grade:
    if isinstance(task.grader, MessageGrader):
        return await task.grader.grade_message(message, item)
    return await task.grader.grade(message.text, item)


def _seed(seed: int, item: str, first: int) -> int:
    """Of one request; 31 bits, from the run's seed and the place."""
    digest = hashlib.sha256(f"{seed}/{first}/{item}".encode()).digest()
    return int.from_bytes(digest[:4]) >> 1


def _ranking(model: Model) -> Ask:
    async def ask(item: Item, first: int, count: int) -> list[Sample]:
        async with task_group() as group:
            tasks = [
                group.create_task(continuation_logprob(model, item.prompt, choice))
                for choice in item.choices
            ]
        logprobs = [task.result() for task in tasks]
        sizes = [len(choice.encode()) for choice in item.choices]
        rated = {
            "accuracy": logprobs,
            "accuracy_per_byte": [x / size for x, size in zip(logprobs, sizes, strict=True)],
        }
        taken = {name: max(range(len(x)), key=x.__getitem__) for name, x in rated.items()}
        grade = Grade(
            scores={name: float(i == item.target) for name, i in taken.items()},
            answers={name: item.choices[i] for name, i in taken.items()},
            comment=", ".join(f"{x:.3f}" for x in logprobs),
        )
        said = Reply(Message(role="assistant", content=item.choices[taken["accuracy"]]))
        return [make_sample(item, first, said, grade, item.prompt, 0)]

    return ask


async def continuation_logprob(model: Model, context: str, continuation: str) -> float:
    """The log-likelihood of a text after another, in nats, the two tokenized as one."""
    encode = model.renderer.tokenizer.encode
    tokens = encode(context + continuation)
    start = len(encode(context.rstrip()))  # a word's token often takes the space before it
    logprobs = await model.client.compute_logprobs(tinker.ModelInput.from_ints(tokens))
    return math.fsum(x for x in logprobs[start:] if x is not None)
