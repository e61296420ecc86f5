"""The `tinker-evals` command."""

from __future__ import annotations

import asyncio
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated

import tinker
import tyro
from attrs import field, frozen
from rich.console import Console

from tinker_core import ConfigError, PostTrainingError
from tinker_evals.dataset.sources import JsonlFile, Shipped, Source
from tinker_evals.graders.judge import RUBRIC
from tinker_evals.model.open_model import open_model, open_named
from tinker_evals.optional_packages import import_extra
from tinker_evals.reporting.compare import compare_scores, pair_folders, read_side
from tinker_evals.reporting.report import write_report
from tinker_evals.reporting.terminal import Progress, comparison_table, result_table
from tinker_evals.run.result import TaskResult
from tinker_evals.run.runner import run_task
from tinker_evals.run.settings import Settings
from tinker_evals.tasks import TASKS, get_task
from tinker_evals.tasks.open_questions import MAX_TOKENS, duel, judged
from tinker_evals.tasks.task import AnyTask
from tinker_train import connect
from tinker_train.run.directory import has_run

_JUDGED = ("judged", "duel")


@frozen(kw_only=True)
class Run:
    """Put tasks to a model."""

    tasks: tyro.conf.Positional[tuple[str, ...]]
    """Their names (see `list`), or a task of your own as module:attribute."""
    model: str | None = None
    """The base model's name; a checkpoint's own unless given."""
    checkpoint: str | None = None
    """A tinker:// path, or a run's folder for its newest weights."""
    renderer: str | None = None
    """How chats become tokens; the model's own way unless given."""
    data: str | None = None
    """`shipped` for the handful that comes with the package, or a JSONL file in the task's form."""
    out: Path | None = None
    """Folder for the answers; one under `evals`, named after the model or the run, unless given."""
    judge: str | None = None
    """Who judges in `judged` and `duel`: a base model, a tinker:// path, or a run's folder."""
    against: str | None = None
    """Whom to fight in `duel`; named like the judge."""
    rubric: str = RUBRIC
    """What the judge is to go by."""
    settings: Annotated[Settings, tyro.conf.arg(name="")] = field(factory=Settings)

    def __call__(self) -> int:
        """1 where problems remain without an answer."""
        for name in self.tasks:
            if name not in _JUDGED:
                get_task(name)  # a mistake is found before an engine starts
        console = _console()
        with connect() as engine:
            console.print(engine.description, markup=False)
            results = asyncio.run(self._run(engine.service, console))
        console.print(result_table(results))
        return 0 if all(result.complete for result in results) else 1

    async def _run(self, service: tinker.ServiceClient, console: Console) -> list[TaskResult]:
        model = await open_model(service, self.model, self.checkpoint, self.renderer)
        out = self.out or Path("evals") / _slug(self.checkpoint or model.name)
        results = []
        for name in self.tasks:
            task = await self._task(name, service)
            results.append(
                await run_task(
                    task,
                    model,
                    self.settings,
                    source=self._source(task),
                    folder=out / task.name,
                    watch=Progress(task.name, console),
                )
            )
        report = write_report([out], out / "report.html")
        console.print(f"answers in {out}; to look at: {report}", markup=False)
        return results

    async def _task(self, name: str, service: tinker.ServiceClient) -> AnyTask:
        if name not in _JUDGED:
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

    def _source(self, task: AnyTask) -> Source | None:
        if self.data is None:
            return None
        if self.data == "shipped":
            return task.source if task.name in _JUDGED else Shipped(task.name)
        return JsonlFile(Path(self.data))


@frozen(kw_only=True)
class Compare:
    """Compare two runs, paired by problem."""

    first: tyro.conf.Positional[Path]
    """A run's folder, or a task's."""
    second: tyro.conf.Positional[Path]
    """Another's."""
    score: str | None = None
    """Which score; all unless given."""
    html: Path | None = None
    """Also write a page that shows the two side by side."""

    def __call__(self) -> int:
        """Print the table."""
        console = _console()
        pairs = pair_folders(self.first, self.second)
        tasks = [compare_scores(read_side(a), read_side(b), self.score) for a, b in pairs]
        for name, side in (("first", tasks[0][0].first), ("second", tasks[0][0].second)):
            console.print(f"{name:8}{side.model}", markup=False)
        console.print(comparison_table([row for scores in tasks for row in scores]))
        for row, *_ in tasks:
            if row.unpaired:
                left = f"{row.task}: {row.unpaired} problems left out, answered by one run alone"
                console.print(left, markup=False)
            if row.differs:
                also = f"{row.task}: not only the model differs: {'; '.join(row.differs)}"
                console.print(also, markup=False)
        if self.html is not None:
            write_report([self.first, self.second], self.html)
            console.print(f"to look at: {self.html}", markup=False)
        return 0


@frozen(kw_only=True)
class Report:
    """Write a page that shows runs, from what is stored."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Their folders."""
    html: Path = Path("report.html")
    """Where to."""

    def __call__(self) -> int:
        """Write it."""
        print(write_report(self.runs, self.html))
        return 0


@frozen(kw_only=True)
class List:
    """Say which tasks there are."""

    def __call__(self) -> int:
        """One line a task."""
        judged_too = {
            "judged": "6 open questions, rated by a judge (--judge)",
            "duel": "6 open questions, against another model (--judge, --against)",
        }
        lines = {name: task.summary for name, task in TASKS.items()} | judged_too
        for name, summary in lines.items():
            print(f"{name:15}{summary}")
        return 0


Command = (
    Annotated[Run, tyro.conf.subcommand("run")]
    | Annotated[Compare, tyro.conf.subcommand("compare")]
    | Annotated[Report, tyro.conf.subcommand("report")]
    | Annotated[List, tyro.conf.subcommand("list")]
)


def main(arguments: list[str] | None = None) -> None:
    """Run one command; what our packages raise on purpose ends it with one line and status 2."""
    try:
        command = tyro.cli(
            Command,
            prog="tinker-evals",
            description="Evaluate language models on the Tinker API, with numbers to believe.",
            args=arguments,
            config=(tyro.conf.OmitSubcommandPrefixes,),
        )
        status = command()
    except PostTrainingError as error:
        print(f"tinker-evals: {error}", file=sys.stderr)
        status = 2
    sys.exit(status)


def lm_eval_main() -> None:
    """The command `tinker-lm-eval`: lm-evaluation-harness's own, which now knows our models."""
    try:
        harness = import_extra("lm_eval.__main__", "lm-eval", "tinker-lm-eval")
    except PostTrainingError as error:
        sys.exit(f"tinker-lm-eval: {error}")
    import_module("tinker_evals.integrations.lm_eval_model")  # registers the model
    sys.exit(harness.cli_evaluate())


def _console() -> Console:
    """As wide as the terminal; a file or a pipe has room for a whole table."""
    console = Console(soft_wrap=True, highlight=False)
    return console if console.is_terminal else Console(soft_wrap=True, highlight=False, width=140)


def _slug(name: str) -> str:
    """What a folder may be called: a run's folder keeps its own name."""
    if has_run(Path(name)):
        return Path(name).resolve().name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name.removeprefix("tinker://")).strip("-")
