"""The `tinker-dpo` command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import tyro
from attrs import frozen

from tinker_core import PostTrainingError
from tinker_dpo.config import Config
from tinker_dpo.data.builders import PreferenceFile
from tinker_dpo.training import resume, train
from tinker_train import Existing


@frozen(kw_only=True)
class FileConfig(Config):
    """A preference run on a file of pairs or of judged responses."""

    data: PreferenceFile
    """What to learn from."""


@frozen(kw_only=True)
class Train:
    """Train a model on a file of preferences."""

    config: Annotated[FileConfig, tyro.conf.arg(name="")]
    existing: Existing = "refuse"
    """What to do where the folder holds this very run already."""

    def __call__(self) -> None:
        train(self.config, existing=self.existing)


@frozen(kw_only=True)
class Resume:
    """Go on with a run that was interrupted."""

    run: tyro.conf.Positional[Path]
    """The run's folder."""

    def __call__(self) -> None:
        resume(self.run)


Command = (
    Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Resume, tyro.conf.subcommand("resume")]
)


def main(arguments: list[str] | None = None) -> None:
    """Run one command; what our packages raise on purpose ends it with one line and status 2."""
    command = tyro.cli(
        Command,
        prog="tinker-dpo",
        description="Preference learning on the Tinker API.",
        args=arguments,
        config=(tyro.conf.OmitSubcommandPrefixes, tyro.conf.FlagConversionOff),
    )
    try:
        command()
    except PostTrainingError as error:
        print(f"tinker-dpo: {error}", file=sys.stderr)
        sys.exit(2)
