"""A query puts one problem to the model: it samples replies, or ranks continuations."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Protocol

import tinker
from attrs import asdict, frozen
from tinker import types

from tinker_core import Message, Reply
from tinker_evals.dataset.item import Item
from tinker_evals.graders.grade import Grade, MessageGrader
from tinker_evals.model.model import Model
from tinker_evals.run.prompts import Prompt, Prompter
from tinker_evals.run.retry import Retry
from tinker_evals.run.sample import Sample, make_sample
from tinker_evals.run.settings import Settings
from tinker_evals.tasks.task import AnyTask, RankingTask, Task
from tinker_train import gather


class Query(Protocol):
    """The prompts and sampling settings of one task for one model."""

    def describe(self, item: Item) -> dict[str, Any]:
        """The settings that the samples depend on beside task, data and model, as JSON data."""
        ...

    async def ask(self, item: Item, numbers: Sequence[int]) -> list[Sample]:
        """The item's samples of these numbers, graded. Raises what the engine or grader raises."""
        ...


def make_query(task: AnyTask, model: Model, settings: Settings) -> Query:
    """The query of a task. Raises ConfigError for settings that do not fit the task."""
    if isinstance(task, RankingTask):
        return RankingQuery(model=model, retry=settings.retry)
    prompter = Prompter.of(task, model.renderer, settings.sampling)
    return SamplingQuery(task=task, model=model, prompter=prompter, retry=settings.retry)


@frozen(kw_only=True)
class SamplingQuery:
    """Samples replies and grades them."""

    task: Task
    model: Model
    prompter: Prompter
    retry: Retry

    def describe(self, item: Item) -> dict[str, Any]:
        """Renderer, grader, sampling parameters and the prompt of `item`."""
        prompt = self.prompter.prompt(item)
        sampling = {**asdict(self.prompter.sampling), "max_tokens": self._max_tokens}
        return {
            "method": "sampling",
            "renderer": self.model.renderer.name,
            "grader": f"{self.task.grader.name} {self.task.grader.version}",
            "sampling": {**sampling, "stop": prompt.stop},
            "prompt": with_hash(prompt.shown),
            "prompt_tokens": with_hash(prompt.model_input.to_ints()),
        }

    async def ask(self, item: Item, numbers: Sequence[int]) -> list[Sample]:
        """Consecutive samples come from one request."""
        prompt = self.prompter.prompt(item)
        sampled: dict[int, types.SampledSequence] = {}
        for first, count in _runs(numbers):
            response = await self.retry(lambda: self._sample(item, prompt, first, count))  # noqa: B023
            sampled.update(enumerate(response.sequences, start=first))
        return await gather(
            self._graded(item, prompt, number, sequence) for number, sequence in sampled.items()
        )

    async def _sample(
        self, item: Item, prompt: Prompt, first: int, count: int
    ) -> types.SampleResponse:
        sampling = self.prompter.sampling
        params = tinker.SamplingParams(
            max_tokens=self.model.room(prompt.model_input, self._max_tokens),
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            stop=prompt.stop,
            seed=_seed(sampling.seed, item.id, first),
        )
        response: types.SampleResponse = await self.model.client.sample(
            prompt.model_input, count, params
        )
        return response

    async def _graded(
        self, item: Item, prompt: Prompt, number: int, sequence: types.SampledSequence
    ) -> Sample:
        outcome = self.prompter.outcome(sequence, item)
        grade = await self.retry(lambda: _grade(self.task, outcome.message, item))
        return make_sample(item, number, outcome, grade, prompt.shown, len(sequence.tokens))

    @property
    def _max_tokens(self) -> int:
        return self.prompter.sampling.max_tokens or self.task.max_tokens


async def _grade(task: Task, message: Message, item: Item) -> Grade:
    if isinstance(task.grader, MessageGrader):
        return await task.grader.grade_message(message, item)
    return await task.grader.grade(message.text, item)


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The first number and the length of each run of consecutive numbers."""
    for _, run in groupby(enumerate(sorted(numbers)), key=lambda pair: pair[1] - pair[0]):
        consecutive = [number for _, number in run]
        yield consecutive[0], len(consecutive)


def _seed(seed: int, item: str, first: int) -> int:
    """31 bits for one request, from the run's seed and the place."""
    digest = hashlib.sha256(f"{seed}/{first}/{item}".encode()).digest()
    return int.from_bytes(digest[:4]) >> 1


@frozen(kw_only=True)
class RankingQuery:
    """Ranks an item's choices by their likelihood. Nothing is sampled."""

    model: Model
    retry: Retry

    def describe(self, item: Item) -> dict[str, Any]:
        """The method and the prompt of `item`."""
        return {"method": "log-likelihood", "prompt": with_hash(item.prompt)}

    async def ask(self, item: Item, numbers: Sequence[int]) -> list[Sample]:
        """One sample, the likeliest continuation."""
        logprobs = await self.retry(lambda: self._logprobs(item))
        sizes = [len(choice.encode()) for choice in item.choices]
        rated = {
            "accuracy": logprobs,
            "accuracy_per_byte": [x / size for x, size in zip(logprobs, sizes, strict=True)],
        }
        best = {name: max(range(len(x)), key=x.__getitem__) for name, x in rated.items()}
        grade = Grade(
            scores={name: float(i == item.target) for name, i in best.items()},
            answers={name: item.choices[i] for name, i in best.items()},
            comment=", ".join(f"{x:.3f}" for x in logprobs),
        )
        likeliest = Reply(Message(role="assistant", content=item.choices[best["accuracy"]]))
        return [make_sample(item, numbers[0], likeliest, grade, item.prompt, 0)]

    async def _logprobs(self, item: Item) -> list[float]:
        return await gather(
            continuation_logprob(self.model, item.prompt, choice) for choice in item.choices
        )


async def continuation_logprob(model: Model, context: str, continuation: str) -> float:
    """The log-likelihood in nats of a text after another, the two tokenized together."""
    encode = model.renderer.tokenizer.encode
    tokens = encode(context + continuation)
    start = len(encode(context.rstrip()))  # a word's token often includes the space before it
    logprobs = await model.client.compute_logprobs(tinker.ModelInput.from_ints(tokens))
    return math.fsum(x for x in logprobs[start:] if x is not None)


def with_hash(value: Any) -> dict[str, Any]:
    """A value of the first item, and a short hash of it."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return {"first": value, "sha256": hashlib.sha256(text.encode()).hexdigest()[:16]}
