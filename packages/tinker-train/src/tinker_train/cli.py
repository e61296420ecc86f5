"""The `tinker-train` command: inspect runs of any algorithm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import tyro
from attrs import frozen
from rich.console import Console
from rich.table import Table

from tinker_core import PostTrainingError, RunDirectoryError
from tinker_core.command_line import run_command_line
from tinker_core.engine.local_checkpoints import local_folder
from tinker_train.checkpoint.record import CheckpointRecord
from tinker_train.log.trace import write_perfetto
from tinker_train.report.page import find_runs, summarise, write_report
from tinker_train.run.directory import RunDirectory

_SHOWN = ("test/nll", "train/nll", "train/reward", "test/reward", "test/accuracy", "train/loss")


@frozen(kw_only=True)
class Report:
    """Write an HTML report of one or several runs."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run directories."""
    to: Path | None = None
    """File to write; absent: report.html in the first run directory."""

    def __call__(self) -> None:
        to = self.to
        if to is None and self.runs:
            to = RunDirectory(self.runs[0]).report_file
        write_report(self.runs, to or Path("report.html"))
        print(to)


@frozen(kw_only=True)
class Runs:
    """List the runs in a folder with state, step, last metrics and the paths of checkpoints."""

    folder: tyro.conf.Positional[Path] = Path()
    all_checkpoints: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Show every checkpoint of each run, and not only the newest."""

    def __call__(self) -> None:
        runs, damaged = [], []
        for path in find_runs(self.folder):
            try:
                runs.append(summarise(path))
            except PostTrainingError as error:
                damaged.append(str(error))
        names = [name for name in _SHOWN if any(name in run.last for run in runs)]
        table = Table("run", "state", "step", *names)
        for run in runs:
            values = [run.last.get(name) for name in names]
            shown = ["" if value is None else f"{value:.4g}" for value in values]
            where = str(run.path.relative_to(self.folder))
            table.add_row(where, run.state, str(run.step), *shown)
        Console().print(table)
        for run in runs:
            print(f"{run.path.relative_to(self.folder)}: {len(run.checkpoints)} checkpoints")
            for record in run.checkpoints if self.all_checkpoints else run.checkpoints[-1:]:
                print("\n".join(_checkpoint_lines(record)))
        for problem in damaged:
            print(f"damaged: {problem}")


def _checkpoint_lines(record: CheckpointRecord) -> Iterator[str]:
    """Its paths, each with the folder where an engine on this machine stores it."""
    for path in record.paths:
        folder = local_folder(path)
        yield f"  step {record.step}: {path}" + (f" in {folder}" if folder else "")


@frozen(kw_only=True)
class Trace:
    """Convert the trace of a run to a file that ui.perfetto.dev opens."""

    run: tyro.conf.Positional[Path]
    """Run directory."""
    to: Path = Path("trace.json")
    """File to write."""

    def __call__(self) -> None:
        file = RunDirectory(self.run).trace_file
        if not file.exists():
            raise RunDirectoryError(f"{file} does not exist: the run was not traced")
        write_perfetto(file, self.to)
        print(self.to)


Command = (
    Annotated[Report, tyro.conf.subcommand("report")]
    | Annotated[Runs, tyro.conf.subcommand("runs")]
    | Annotated[Trace, tyro.conf.subcommand("trace")]
)


def main(arguments: Sequence[str] | None = None) -> None:
    """The `tinker-train` command."""
    run_command_line("tinker-train", _parse, arguments)


def _parse(arguments: list[str]) -> Report | Runs | Trace:
    command: Report | Runs | Trace = tyro.cli(
        Command,
        prog="tinker-train",
        description="Inspect training runs.",
        args=arguments,
        config=(tyro.conf.OmitSubcommandPrefixes,),
    )
    return command
