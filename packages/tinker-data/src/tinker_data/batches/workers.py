"""Rendering in worker processes: the same batches in the same order, made ahead."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from typing import Any, Protocol

from attrs import field, frozen, validators

from tinker_core import DataError
from tinker_data.batches.batch import START, Batch, Position, without_empty


class PlannedDataset(Protocol):
    """A dataset whose batches are planned in one process and made in others."""

    @property
    def name(self) -> str:
        """The name of the data in error messages."""
        ...

    @property
    def steps_per_epoch(self) -> int | None:
        """Batches in an epoch; None if only reading to the end would tell."""
        ...

    def plans(self, start: Position = ..., /) -> Iterator[Any]:
        """The plans of the batches from `start` on, without end; picklable."""
        ...

    @property
    def make(self) -> Callable[[Any], Batch]:
        """Makes a batch from its plan; picklable."""
        ...


@frozen(kw_only=True, eq=False)
class RenderedByWorkers:
    """Batches, each made by one of several processes; the main process alone reads a stream."""

    dataset: PlannedDataset
    workers: int = field(default=2, validator=validators.ge(1))
    ahead: int = field(default=4, validator=validators.ge(1))
    """Number of batches that are made ahead."""

    @property
    def steps_per_epoch(self) -> int | None:
        """Batches in an epoch; None if only reading to the end would tell."""
        return self.dataset.steps_per_epoch

    def batches(self, start: Position = START) -> Iterator[Batch]:
        """Batches from `start` on, without end; those without a datum are passed over.

        An error is raised in the place of its batch.
        """
        return without_empty(self._made(start), self.dataset.name)

    def _made(self, start: Position) -> Iterator[Batch]:
        with ProcessPoolExecutor(
            self.workers,
            mp_context=multiprocessing.get_context("spawn"),  # a fork would copy the SDK's threads
            initializer=_begin,
            initargs=(self.dataset.make,),
        ) as pool:
            coming = _submitted(pool, self.dataset.plans(start))
            ahead = deque(islice(coming, self.ahead))
            try:
                while ahead:
                    ahead.extend(islice(coming, 1))
                    yield ahead.popleft().result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)


def _submitted(pool: ProcessPoolExecutor, plans: Iterator[Any]) -> Iterator[Future[Batch]]:
    """The futures of the batches; a row that cannot be read ends them."""
    try:
        for plan in plans:
            yield pool.submit(_make, plan)
    except DataError as error:
        failed: Future[Batch] = Future()
        failed.set_exception(error)
        yield failed


_MAKERS: list[Callable[[Any], Batch]] = []  # in a worker process: the one that it was started with


def _begin(make: Callable[[Any], Batch]) -> None:
    _MAKERS.append(make)


def _make(plan: Any) -> Batch:
    return _MAKERS[-1](plan)
