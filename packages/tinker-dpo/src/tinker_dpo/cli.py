"""The `tinker-dpo` command."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import tyro
from attrs import field, frozen

from tinker_core.command_line import Command, run_command_line
from tinker_dpo.config import Config
from tinker_dpo.data.builders import PreferenceFile
from tinker_dpo.objectives import BuiltinObjective, Dpo
from tinker_dpo.training import resume, train
from tinker_train import Existing
from tinker_train.commands import Resume, run_training


@frozen(kw_only=True)
class FileConfig(Config):
    """A preference run on a file of pairs or of judged responses."""

    data: PreferenceFile
    objective: BuiltinObjective = field(factory=Dpo)
    """The loss."""


@frozen(kw_only=True)
class Train:
    """Train a model on a file of preferences."""

    config: Annotated[FileConfig, tyro.conf.arg(name="")]
    existing: Existing = "refuse"
    """The action if the run directory holds this run already."""


Commands = (
    Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Resume, tyro.conf.subcommand("resume")]
)


def main(arguments: Sequence[str] | None = None) -> None:
    """The `tinker-dpo` command."""
    run_command_line("tinker-dpo", _parse, arguments)


def _parse(arguments: list[str]) -> Command:
    command: Train | Resume = tyro.cli(
        Commands,
        prog="tinker-dpo",
        description="Preference learning on the Tinker API.",
        args=arguments,
        config=(
            tyro.conf.OmitSubcommandPrefixes,
            tyro.conf.CascadeSubcommandArgs,
            tyro.conf.FlagConversionOff,
        ),
    )
    if isinstance(command, Resume):
        return partial(command, "tinker-dpo", resume)
    work = partial(train, command.config, existing=command.existing)
    return partial(run_training, "tinker-dpo", work, command.config.run_dir)


if __name__ == "__main__":
    main()
