"""The `tinker-rl` command.

tinker-rl train --env tinker_rl:ProblemFile --data.path sums.jsonl --model M --run-dir runs/a
tinker-rl train --env my_module:MyBuilder --help        # all options
tinker-rl distill --data.path prompts.jsonl --model M --teacher.model T --run-dir runs/b
tinker-rl resume runs/a
tinker-rl play my_module:MyBuilder                      # play in the model's place
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

import attrs
import tyro
from attrs import evolve

from tinker_core import ConfigError
from tinker_core.command_line import Command, run_command_line
from tinker_render import renderer_for
from tinker_rl.cli.play import play
from tinker_rl.cli.script import config_class, plain_config
from tinker_rl.config import Config
from tinker_rl.train import resume, train
from tinker_rl.update.distillation import Distillation, TeacherConfig
from tinker_train import Existing
from tinker_train.commands import Resume


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the `tinker-rl` command."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # for environments in the user's modules
    run_command_line("tinker-rl", _parse, arguments)


def _parse(arguments: list[str]) -> Command:
    match arguments:
        case ["train", *rest]:
            return _parse_train(rest)
        case ["distill", *rest]:
            return _parse_distill(rest)
        case ["resume", *rest]:
            resumed = tyro.cli(Resume, prog="tinker-rl resume", args=rest)
            return partial(resume, resumed.run, changed_data=resumed.changed_data)
        case ["play", *rest]:
            return _parse_play(rest)
        case ["-h" | "--help"]:
            return partial(print, __doc__)
    raise ConfigError(
        f"unknown command {' '.join(arguments[:1])!r}; the commands are train, distill, resume and "
        "play (tinker-rl --help)"
    )


def _parse_train(arguments: list[str]) -> Command:
    name, rest = _take_option(arguments, "--env")
    if name is None:
        raise ConfigError("--env module:Builder is missing: it names the environments to train in")
    command = tyro.cli(
        _train_command(find_builder(name)),
        prog="tinker-rl train",
        description=Config.__doc__,
        args=rest,
    )
    config = plain_config(command.config)
    return partial(train, config, existing=command.existing)


def _parse_distill(arguments: list[str]) -> Command:
    name, rest = _take_option(arguments, "--env")
    command = tyro.cli(
        _distill_command(find_builder(name or "tinker_rl:PromptFile")),
        prog="tinker-rl distill",
        description="On-policy distillation: the student answers, and a teacher scores each token.",
        args=rest,
    )
    distillation = Distillation(
        teachers=(command.teacher,), coefficient=command.coefficient, discount=command.discount
    )
    config = evolve(plain_config(command.config), distillation=distillation)
    return partial(train, config, existing=command.existing)


def _parse_play(arguments: list[str]) -> Command:
    if not arguments or arguments[0].startswith("-"):
        raise ConfigError("the builder is missing: tinker-rl play module:Builder")
    name, *rest = arguments
    builder = find_builder(name)
    if not hasattr(builder, "build"):
        raise ConfigError(f"{name} asks models and has no build(renderer, seed) to play without")
    return partial(_play, tyro.cli(_play_command(builder), prog="tinker-rl play", args=rest))


def _play(settings: Any) -> None:
    renderer = renderer_for(settings.model)
    data = settings.data.build(renderer=renderer, seed=settings.seed)
    groups = data.train.get_batch(0)
    asyncio.run(play(groups[min(settings.group, len(groups) - 1)], renderer))


def find_builder(name: str) -> type:
    """The class of a data builder, by `module:Class`. Raises ConfigError."""
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"{name!r} cannot be imported as module:Class: {error}") from error
    builds = hasattr(found, "build") or hasattr(found, "build_on")
    if not (inspect.isclass(found) and attrs.has(found) and builds):
        raise ConfigError(
            f"{name} is not a builder: expected an attrs class with build(renderer, seed) or "
            "build_on(service, renderer, seed)"
        )
    return found


def _train_command(builder: type) -> Any:
    return _frozen("Train", _config_fields(builder), existing="refuse")


def _distill_command(builder: type) -> Any:
    teaching = {"teacher": TeacherConfig, "coefficient": float, "discount": float}
    fields = {**_config_fields(builder), **teaching}
    return _frozen("Distill", fields, existing="refuse", coefficient=1.0, discount=0.0)


def _config_fields(builder: type) -> dict[str, Any]:
    """The config with `data` of that class, so that the command line knows the class's fields."""
    of: Any = Annotated[config_class(builder), tyro.conf.arg(name=""), tyro.conf.FlagConversionOff]
    return {"config": of, "existing": Existing}


def _play_command(builder: type) -> Any:
    fields = {"data": builder, "model": str, "seed": int, "group": int}
    return _frozen("Play", fields, model="local/tiny", seed=0, group=0)


def _frozen(name: str, fields: dict[str, Any], **defaults: Any) -> Any:
    made = {
        key: attrs.field(type=kind, default=defaults.get(key, attrs.NOTHING))
        for key, kind in fields.items()
    }
    return attrs.make_class(name, made, frozen=True, kw_only=True, slots=True)


def _take_option(arguments: list[str], name: str) -> tuple[str | None, list[str]]:
    """The value of an option, None if it is absent, and the other arguments."""
    for i, argument in enumerate(arguments):
        if argument.startswith(f"{name}="):
            return argument.removeprefix(f"{name}="), [*arguments[:i], *arguments[i + 1 :]]
        if argument == name and i + 1 < len(arguments):
            return arguments[i + 1], [*arguments[:i], *arguments[i + 2 :]]
    return None, arguments
