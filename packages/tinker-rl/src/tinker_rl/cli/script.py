"""The command line of a training script, which overrides the script's config."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import attrs
import tyro

from tinker_core.command_line import parse_or_exit
from tinker_rl.config import Config


def command_line(
    default: Config, arguments: Sequence[str] | None = None, description: str | None = None
) -> Config:
    """The script's config with the options of the command line: `--adam.learning-rate 1e-3`.

    Fields of `default.data` are options too: `--data.attempts 4`.
    """
    kind = config_class(type(default.data))
    settable: Any = Annotated[kind, tyro.conf.FlagConversionOff]
    parse = partial(
        tyro.cli,
        settable,
        default=kind(**_fields(default)),
        description=description,
        config=(tyro.conf.CascadeSubcommandArgs,),
    )
    program = Path(sys.argv[0]).name
    given = sys.argv[1:] if arguments is None else arguments
    parsed: Config = parse_or_exit(program, lambda args: parse(args=args), given)
    return plain_config(parsed)


def new_run_dir(name: str) -> Path:
    """A run directory under `runs/`, named after the script and the time."""
    return Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"


def config_class(builder: type) -> Any:
    """A config class whose `data` has that class, so that the command line knows its fields."""
    return attrs.make_class(
        "EnvConfig",
        {"data": attrs.field(type=builder)},
        bases=(Config,),
        frozen=True,
        kw_only=True,
        slots=True,
    )


def plain_config(config: Config) -> Config:
    """The config as a `Config`, not as a class that `config_class` made."""
    return Config(**_fields(config))


def _fields(config: Config) -> dict[str, Any]:
    return {field.name: getattr(config, field.name) for field in attrs.fields(Config)}
