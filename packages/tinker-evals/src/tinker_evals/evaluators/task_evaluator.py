"""A task as an evaluator of sampling clients."""

from __future__ import annotations

from pathlib import Path

from attrs import field, frozen

from tinker_core import ConfigError
from tinker_evals.dataset.sources import RowSource
from tinker_evals.model.model import Model, SamplingClient
from tinker_evals.run.runner import run_task
from tinker_evals.run.settings import Settings
from tinker_evals.tasks.task import AnyTask
from tinker_render import Renderer
from tinker_train import Metrics


@frozen(kw_only=True)
class TaskEvaluator:
    """Runs a task on a snapshot: its scores, their errors, and the shares of what went wrong."""

    task: AnyTask
    renderer: Renderer
    settings: Settings = field(factory=Settings)
    source: RowSource | None = None
    """Replaces the task's own data."""
    folder: Path | None = None
    """Folder for the samples, with a numbered folder for each snapshot: 0, 1, 2, ..."""

    async def __call__(self, client: SamplingClient) -> Metrics:
        """Run the task. Raises what `run_task` raises."""
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
