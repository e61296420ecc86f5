"""The `tinker-evals` command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import tyro

from tinker_core.command_line import run_command_line
from tinker_evals.cli.compare import Compare
from tinker_evals.cli.doctor import Doctor
from tinker_evals.cli.list_tasks import List
from tinker_evals.cli.report import Report
from tinker_evals.cli.run import Run

Command = (
    Annotated[Run, tyro.conf.subcommand("run")]
    | Annotated[Compare, tyro.conf.subcommand("compare")]
    | Annotated[Report, tyro.conf.subcommand("report")]
    | Annotated[List, tyro.conf.subcommand("list")]
    | Annotated[Doctor, tyro.conf.subcommand("doctor")]
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command."""
    run_command_line("tinker-evals", _parse, arguments)


def _parse(arguments: list[str]) -> Run | Compare | Report | List | Doctor:
    command: Run | Compare | Report | List | Doctor = tyro.cli(
        Command,
        prog="tinker-evals",
        description="Evaluate language models on the Tinker API.",
        args=arguments,
        config=(tyro.conf.OmitSubcommandPrefixes,),
    )
    return command
