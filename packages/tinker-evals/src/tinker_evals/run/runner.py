"""Running a task: many problems out at once, answers stored as they come, failures asked again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import tinker
from attrs import define, field
from tinker import types

from tinker_core import EngineError
from tinker_evals.dataset.item import Item
from tinker_evals.dataset.sources import Source
from tinker_evals.errors import GradingError
from tinker_evals.model.model import Model
from tinker_evals.run.fingerprint import describe
from tinker_evals.run.load_items import choose, load_items
from tinker_evals.run.query import Ask, asking
from tinker_evals.run.result import Summary, TaskResult, summarize
from tinker_evals.run.sample import Sample
from tinker_evals.run.sample_store import Store
from tinker_evals.run.settings import Settings
from tinker_evals.tasks.task import AnyTask, RankingTask
from tinker_train import task_group

_REFUSED = (tinker.AuthenticationError, tinker.PermissionDeniedError, tinker.BillingError)
"""No problem will fare better than this one: the run ends."""
_FAILURES = (tinker.TinkerError, GradingError, TimeoutError, ConnectionError)
"""The world's fault, not the model's."""
_GIVE_UP_AFTER = 32
"""Problems that fail in a row."""

Pause = Callable[[float], Awaitable[None]]
Watch = Callable[["Tally"], None]


@define(kw_only=True)
class Tally:
    """How far a run is."""

    items: int
    stored: int
    """Items that were answered before this run began."""
    samples: list[Sample] = field(factory=list)
    errored: dict[str, str] = field(factory=dict)
    finished: int = 0
    """Items done with in this run, answered or not."""
    failed_in_a_row: int = 0

    def summary(self) -> Summary:
        """Of what is there so far."""
        return summarize(self.samples)


async def run_task(  # noqa: PLR0913  # what to ask, whom, how, and three ways to look in
    task: AnyTask,
    model: Model,
    settings: Settings | None = None,
    *,
    source: Source | None = None,
    folder: Path | None = None,
    watch: Watch | None = None,
    pause: Pause = asyncio.sleep,
) -> TaskResult:
    """Put the task's problems to the model and sum up.

    With a `folder`, every answer is stored as soon as it is graded, and what is stored there is not
    asked again. `source` stands in for the task's own data. `watch` is called after every problem.
    Raises RunDirectoryError where the folder holds another model's or task's answers, EngineError
    where the engine refuses the run as such or nothing but failures come back.
    """
    settings = settings or Settings()
    everything = load_items(task, source)
    items = choose(everything, settings.limit)
    samples = 1 if isinstance(task, RankingTask) else settings.samples
    ask = asking(task, model, settings.sampling)
    setup = describe(task, model, settings.sampling, everything[0], source or task.source)
    store = Store.open(folder, setup)
    began = time.monotonic()
    with store:
        kept = store.samples(items, samples)
        answered = _counts(kept)
        missing = [item for item in items if answered.get(item.id, 0) < samples]
        tally = Tally(items=len(items), stored=len(items) - len(missing), samples=kept)
        queue = iter(missing)
        async with task_group() as group:
            for _ in range(min(settings.concurrency, len(missing))):
                worker = _Worker(ask, store, tally, settings.attempts, watch, pause)
                group.create_task(worker.work(queue, answered, samples))
        result = TaskResult(
            task=task.name,
            model=model.name,
            items=len(items),
            errored=dict(tally.errored),
            summary=summarize(_in_order(tally.samples, items)),
            seconds=time.monotonic() - began,
            setup=setup,
        )
        store.write_result(result)
    return result


def _counts(samples: Sequence[Sample]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for sample in samples:
        counts[sample.item] = counts.get(sample.item, 0) + 1
    return counts


def _in_order(samples: Sequence[Sample], items: Sequence[Item]) -> list[Sample]:
    """As the data has them, whatever came back first: the same answers give the same result."""
    place = {item.id: i for i, item in enumerate(items)}
    return sorted(samples, key=lambda sample: (place[sample.item], sample.sample))


@define
class _Worker:
    """Asks one problem after another."""

    ask: Ask
    store: Store
    tally: Tally
    attempts: int
    watch: Watch | None
    pause: Pause

    async def work(self, queue: Iterator[Item], answered: dict[str, int], samples: int) -> None:
        """Until the queue, which the workers share, is empty."""
        for item in queue:
            first = answered.get(item.id, 0)
            try:
                found = await self._persistently(item, first, samples - first)
            except _FAILURES as error:
                self._failed(item, error)
            else:
                self.store.add(found)
                self.tally.samples += found
                self.tally.failed_in_a_row = 0
            self.tally.finished += 1
            if self.watch is not None:
                self.watch(self.tally)

    async def _persistently(self, item: Item, first: int, count: int) -> list[Sample]:
        failed = 0
        while True:
            try:
                return await self.ask(item, first, count)
            except _REFUSED as error:
                raise EngineError(f"the engine refuses to be asked: {error}") from error
            except _FAILURES as error:
                failed += 1
                if failed == self.attempts or _is_permanent(error):
                    raise
                await self.pause(2.0 ** (failed - 1))

    def _failed(self, item: Item, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"
        self.store.add_error(item.id, text)
        self.tally.errored[item.id] = text
        self.tally.failed_in_a_row += 1
        if self.tally.failed_in_a_row >= _GIVE_UP_AFTER:
            raise EngineError(
                f"{_GIVE_UP_AFTER} problems in a row failed, the last, {item.id}, with: {text}"
            ) from error


def _is_permanent(error: Exception) -> bool:
    """The same request would fail again: a prompt that is too long, say."""
    if isinstance(error, tinker.RequestFailedError):
        return error.category == types.RequestErrorCategory.User
    return isinstance(error, tinker.BadRequestError | tinker.UnprocessableEntityError)
