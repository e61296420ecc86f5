"""Run many checks, in one worker or in several."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence

from attrs import define, field

from tinker_conformance.check import Check
from tinker_conformance.run.process import WorkerProcess
from tinker_conformance.run.result import Result
from tinker_conformance.target import Target

GIVE_UP = 3
"""After so many checks without an answer in a row, the server is taken for dead."""
TIMEOUT_S = 60.0


@define(eq=False)
class _Progress:
    """State that the workers share."""

    waiting: queue.SimpleQueue[Check]
    on_result: Callable[[Result], None]
    results: dict[str, Result] = field(factory=dict)
    silent: int = 0
    lock: threading.Lock = field(factory=threading.Lock)

    def take(self) -> Check | None:
        try:
            return self.waiting.get_nowait()
        except queue.Empty:
            return None

    def add(self, result: Result) -> None:
        with self.lock:
            self.silent = self.silent + 1 if result.timed_out else 0
            self.results[result.check] = result
            self.on_result(result)


def run_checks(
    target: Target,
    checks: Sequence[Check],
    *,
    timeout: float = TIMEOUT_S,
    jobs: int = 1,
    on_result: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """The results in the order of the checks; `on_result` sees each as it comes."""
    progress = _Progress(queue.SimpleQueue(), on_result)
    for check in checks:
        progress.waiting.put(check)
    workers = [
        threading.Thread(target=_work, args=(target, timeout, progress), daemon=True)
        for _ in range(jobs)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return [progress.results[check.id] for check in checks]


def _work(target: Target, timeout: float, progress: _Progress) -> None:
    worker = WorkerProcess(target, timeout)
    try:
        while (check := progress.take()) is not None:
            dead = progress.silent >= GIVE_UP
            progress.add(_not_run(check) if dead else worker.run(check))
    finally:
        worker.close()


def _not_run(check: Check) -> Result:
    return Result(
        check=check.id,
        claim=check.claim,
        status="failed",
        seconds=0.0,
        what="not run",
        expected="a server that answers",
        came=f"no answer to the {GIVE_UP} checks before",
        timed_out=True,
    )
