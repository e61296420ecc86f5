"""`tinker-evals run`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tinker
import tyro
from attrs import define, field, frozen
from rich.console import Console

from tinker_core import ConfigError
from tinker_evals.cli.console import console
from tinker_evals.dataset.sources import JsonlFile, RowSource, Shipped
from tinker_evals.graders.judge import RUBRIC
from tinker_evals.model.model import Model
from tinker_evals.model.open_model import open_model, open_named
from tinker_evals.reporting.progress import ProgressLine
from tinker_evals.reporting.report import write_eval_report
from tinker_evals.reporting.tables import score_table
from tinker_evals.run.load_items import load_items
from tinker_evals.run.result import TaskResult
from tinker_evals.run.runner import run_task
from tinker_evals.run.sample_store import read_samples
from tinker_evals.run.settings import Settings
from tinker_evals.run.summary import Summary, summarize
from tinker_evals.tasks import get_task
from tinker_evals.tasks.open_questions import JUDGED, MAX_TOKENS, duel, judged
from tinker_evals.tasks.task import AnyTask
from tinker_train import connect, while_engine_lives
from tinker_train.run.directory import has_run


@frozen(kw_only=True)
class Run:
    """Evaluate a model on tasks."""

    tasks: tyro.conf.Positional[tuple[str, ...]]
    """Names of tasks (see `list`), or your own task as module:attribute."""
    model: str | None = None
    """Name of the base model; default: that of the checkpoint."""
    checkpoint: str | None = None
    """A tinker:// path, or a run directory for its newest checkpoint."""
    step: int | None = None
    """Take the checkpoint of this step of the run."""
    renderer: str | None = None
    """Name of the renderer; default: that of the checkpoint's training, or of the model."""
    data: str | None = None
    """`shipped` for the items that come with the package, or a JSONL file in the task's format."""
    out: Path | None = None
    """Folder for the samples; default: a folder in `evals` named after the model or the run."""
    judge: str | None = None
    """Judge of `judged` and `duel`: a base model, a tinker:// path, or a run directory."""
    against: str | None = None
    """Opponent in `duel`, named like the judge."""
    rubric: str = RUBRIC
    """Criterion of the judge."""
    settings: Annotated[Settings, tyro.conf.arg(name="")] = field(factory=Settings)

    def __call__(self) -> int:
        """Run the tasks. The status is 1 if items remain without an answer."""
        tasks = [get_task(name) for name in self.tasks if name not in JUDGED]
        if self.data is not None:
            for task in tasks:  # a mistake in the data is found before the engine starts
                load_items(task, self.source(task))
        session = _Session(self, console())
        with connect() as engine:
            session.console.print(engine.description, markup=False)
            try:
                asyncio.run(while_engine_lives(engine, session.run(engine.service)))
            finally:
                session.report()
        return 0 if all(result.complete for result in session.results.values()) else 1

    async def open_task(self, name: str, service: tinker.ServiceClient) -> AnyTask:
        """The task of that name, with its judge. Raises ConfigError."""
        if name not in JUDGED:
            return get_task(name)
        if self.judge is None:
            raise ConfigError(f"{name} needs a judge: --judge MODEL")
        judge = await open_named(service, self.judge)
        if name == "judged":
            return judged(judge, self.rubric)
        if self.against is None:
            raise ConfigError("duel needs an opponent: --against MODEL")
        max_tokens = self.settings.sampling.max_tokens or MAX_TOKENS  # of both sides
        return duel(await open_named(service, self.against), judge, self.rubric, max_tokens)

    def source(self, task: AnyTask) -> RowSource | None:
        """The data that replaces the task's own."""
        if self.data is None:
            return None
        if self.data == "shipped":
            return task.source if task.name in JUDGED else Shipped(task.name)
        return JsonlFile(Path(self.data))


@define
class _Session:
    """The tasks of one command. What was answered is reported, also after an error."""

    command: Run
    console: Console
    out: Path | None = None
    tasks: Sequence[AnyTask] = ()
    results: dict[str, TaskResult] = field(factory=dict)

    async def run(self, service: tinker.ServiceClient) -> None:
        """Open the models, then run one task after another."""
        command = self.command
        model = await open_model(
            service, command.model, command.checkpoint, command.renderer, command.step
        )
        if model.trained is not None:
            self.console.print(model.trained.description, markup=False)
        self.out = command.out or Path("evals") / _folder_name(command.checkpoint, model)
        self.tasks = [await command.open_task(name, service) for name in command.tasks]
        for task in self.tasks:
            self.results[task.name] = await run_task(
                task,
                model,
                command.settings,
                source=command.source(task),
                folder=self.out / task.name,
                watch=ProgressLine(task.name, self.console),
            )

    def report(self) -> None:
        """Print the scores of finished tasks, and of the samples of others; write the report."""
        rows = [row for task in self.tasks if (row := self._row(task.name)) is not None]
        if self.out is None or not rows:
            return
        report = write_eval_report([self.out], self.out / "report.html")
        self.console.print(f"samples in {self.out}; report: {report}", markup=False)
        self.console.print(score_table(rows))

    def _row(self, name: str) -> tuple[str, Summary, int] | None:
        if (result := self.results.get(name)) is not None:
            return name, result.summary, len(result.errored)
        samples = [] if self.out is None else read_samples(self.out / name)
        return (f"{name} (not finished)", summarize(samples), 0) if samples else None


def _folder_name(checkpoint: str | None, model: Model) -> str:
    """The name of a run directory, with the step unless it is the end of the run; else the model's.

    A model's name becomes one path component.
    """
    if checkpoint is not None and model.trained is not None and has_run(Path(checkpoint)):
        name = Path(checkpoint).resolve().name
        return name if model.trained.is_end else f"{name}-step-{model.trained.step}"
    return re.sub(r"[^A-Za-z0-9._-]+", "-", model.name.removeprefix("tinker://")).strip("-")
