"""Evaluators, for the loops of training and for themselves.

An evaluator is anything that takes a client and gives metrics in time; an `async def` function of
one argument is one. Each sees one snapshot: a sampling client is one by itself, and what is
submitted to a training client sees the steps that were submitted before it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

import tinker
from attrs import field, frozen

from tinker_core import ConfigError
from tinker_evals.dataset.sources import Source
from tinker_evals.model.model import Model, SamplingClient
from tinker_evals.run.runner import run_task
from tinker_evals.run.settings import Settings
from tinker_evals.tasks.task import AnyTask
from tinker_render import Renderer
from tinker_train import task_group

Client = TypeVar("Client")
Metrics = Mapping[str, float]
Evaluator = Callable[[Client], Awaitable[Metrics]]
SamplingClientEvaluator = Evaluator[SamplingClient]
TrainingClientEvaluator = Evaluator[tinker.TrainingClient]


async def evaluate(client: Client, evaluators: Mapping[str, Evaluator[Client]]) -> dict[str, float]:
    """The metrics of all of them, each under `name/metric`; they run at the same time.

    Every evaluator is called before the first is awaited, so that those of a training client see
    the same weights.
    """
    begun = {name: evaluator(client) for name, evaluator in evaluators.items()}
    async with task_group() as group:
        tasks = {name: group.create_task(_wait(metrics)) for name, metrics in begun.items()}
    return {
        f"{name}/{metric}": value
        for name, task in tasks.items()
        for metric, value in task.result().items()
    }


async def _wait(metrics: Awaitable[Metrics]) -> Metrics:
    return await metrics


@frozen(kw_only=True)
class TaskEvaluator:
    """A task as an evaluator of sampling clients: its scores, their errors, what went wrong."""

    task: AnyTask
    renderer: Renderer
    settings: Settings = field(factory=Settings)
    source: Source | None = None
    """Stands in for the task's own data."""
    folder: Path | None = None
    """Where the replies go, a folder for each snapshot: 0, 1, 2, ..."""

    async def __call__(self, client: SamplingClient) -> Metrics:
        """Run the task; raises what `run_task` raises."""
        folder = None if self.folder is None else _next_folder(self.folder)
        name = "snapshot" if folder is None else f"snapshot {folder.name}"
        model = Model(name=name, client=client, renderer=self.renderer)
        result = await run_task(self.task, model, self.settings, source=self.source, folder=folder)
        return result.metrics()


def _next_folder(folder: Path) -> Path:
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder")
    number = 0
    while (folder / str(number)).exists():
        number += 1
    return folder / str(number)
