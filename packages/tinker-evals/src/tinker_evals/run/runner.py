"""Running a task: items in flight up to a limit, samples stored as they arrive."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import define, field

from tinker_core import EngineError
from tinker_evals.dataset.item import Item
from tinker_evals.dataset.sources import RowSource
from tinker_evals.model.model import Model
from tinker_evals.run.fingerprint import fingerprint
from tinker_evals.run.load_items import load_items, select_items
from tinker_evals.run.query import Query, make_query
from tinker_evals.run.result import TaskResult
from tinker_evals.run.retry import FAILURES
from tinker_evals.run.sample import Sample
from tinker_evals.run.sample_store import SampleStore, open_store
from tinker_evals.run.settings import Settings
from tinker_evals.run.summary import Summary, summarize
from tinker_evals.tasks.task import AnyTask, RankingTask
from tinker_train import gather

_GIVE_UP_AFTER = 32
"""Items that fail in a row."""

Watch = Callable[["Tally"], None]


@define(kw_only=True)
class Tally:
    """The progress of a run."""

    items: int
    stored: int
    """Items that were complete before this run began."""
    samples: list[Sample] = field(factory=list)
    errored: dict[str, str] = field(factory=dict)
    """The last error of each item that failed."""
    finished: int = 0
    """Items that this run has answered or given up."""
    failed_in_a_row: int = 0

    def summary(self) -> Summary:
        """The scores so far."""
        return summarize(self.samples)


async def run_task(  # what to ask whom, how, where from, where to, who watches
    task: AnyTask,
    model: Model,
    settings: Settings | None = None,
    *,
    source: RowSource | None = None,
    folder: Path | None = None,
    watch: Watch | None = None,
) -> TaskResult:
    """Ask the model the task's items and summarize their grades.

    With a `folder`, each sample is stored as soon as it is graded, and stored samples are not asked
    again. `source` replaces the task's own data. `watch` is called after every item. Raises
    RunDirectoryError where the folder holds samples of another run, and EngineError where the
    engine refuses the run or every item fails.
    """
    settings = settings or Settings()
    everything = load_items(task, source)
    items = select_items(everything, settings.limit)
    query = make_query(task, model, settings)
    depends_on = fingerprint(task, model, source or task.source, query, everything[0])
    count = 1 if isinstance(task, RankingTask) else settings.samples
    began = time.monotonic()
    with open_store(folder, depends_on) as store:
        kept = store.samples(items, count)
        missing = _missing(items, count, kept)
        tally = Tally(items=len(items), stored=len(items) - len(missing), samples=kept)
        run = _Run(query, store, tally, watch)
        asked = (run.ask(item, numbers) for item, numbers in missing)
        await gather(asked, limit=settings.concurrency)
        result = TaskResult(
            task=task.name,
            model=model.name,
            items=len(items),
            errored=dict(tally.errored),
            summary=summarize(_in_order(tally.samples, items)),
            seconds=time.monotonic() - began,
            fingerprint=depends_on,
        )
        store.write_result(result)
    return result


def _missing(
    items: Sequence[Item], count: int, kept: Sequence[Sample]
) -> list[tuple[Item, list[int]]]:
    """The items that lack samples, and the numbers of those samples."""
    have = {(sample.item, sample.sample) for sample in kept}
    lacking = [(item, [n for n in range(count) if (item.id, n) not in have]) for item in items]
    return [(item, numbers) for item, numbers in lacking if numbers]


def _in_order(samples: Sequence[Sample], items: Sequence[Item]) -> list[Sample]:
    """In the order of the data, so that the result does not depend on the order of arrival."""
    place = {item.id: i for i, item in enumerate(items)}
    return sorted(samples, key=lambda sample: (place[sample.item], sample.sample))


@define
class _Run:
    query: Query
    store: SampleStore
    tally: Tally
    watch: Watch | None

    async def ask(self, item: Item, numbers: Sequence[int]) -> None:
        """Ask one item, and store its samples or its failure."""
        try:
            samples = await self.query.ask(item, numbers)
        except FAILURES as error:
            self._record_failure(item, error)
        else:
            self.store.add(samples)
            self.tally.samples += samples
            self.tally.failed_in_a_row = 0
        self.tally.finished += 1
        if self.watch is not None:
            self.watch(self.tally)

    def _record_failure(self, item: Item, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"
        self.store.add_error(item.id, text)
        self.tally.errored[item.id] = text
        self.tally.failed_in_a_row += 1
        if self.tally.failed_in_a_row >= _GIVE_UP_AFTER:
            raise EngineError(
                f"{_GIVE_UP_AFTER} items in a row failed, the last, {item.id}, with: {text}"
            ) from error
