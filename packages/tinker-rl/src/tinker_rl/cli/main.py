"""The `tinker-rl` command.

tinker-rl train --env tinker_rl:ProblemFile --data.path sums.jsonl --model M --run-dir runs/a
tinker-rl train --env my_module:MyBuilder --help        # what can be set
tinker-rl distill --data.path prompts.jsonl --model M --teacher.model T --run-dir runs/b
tinker-rl resume runs/a
tinker-rl play my_module:MyBuilder                      # be the model yourself
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import attrs
import tyro
from attrs import evolve, frozen

from tinker_core import ConfigError, PostTrainingError
from tinker_render import get_recommended_renderer_name, get_renderer, get_tokenizer
from tinker_rl.cli.play import play
from tinker_rl.cli.script import config_class, plain_config
from tinker_rl.config import Config
from tinker_rl.train import resume, train
from tinker_rl.update.distillation import Distillation, TeacherConfig
from tinker_train import Existing


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; what our packages raise on purpose ends it with one line and status 2."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # where a user's environments lie
    try:
        match given:
            case ["train", *rest]:
                _train(rest)
            case ["distill", *rest]:
                _distill(rest)
            case ["resume", *rest]:
                tyro.cli(Resume, prog="tinker-rl resume", args=rest)()
            case ["play", *rest]:
                _play(rest)
            case ["-h" | "--help"]:
                print(__doc__)
            case _:
                raise ConfigError(f"no such command: {' '.join(given[:1])!r}\n{__doc__}")
    except PostTrainingError as error:
        print(f"tinker-rl: {error}", file=sys.stderr)
        sys.exit(2)


@frozen(kw_only=True)
class Resume:
    """Go on with a run that was interrupted."""

    run: tyro.conf.Positional[str]
    """The run's folder."""

    def __call__(self) -> None:
        """Do it."""
        resume(Path(self.run))


def _train(arguments: list[str]) -> None:
    name, rest = _take_option(arguments, "--env")
    if name is None:
        raise ConfigError("say what to learn in: --env module:Builder")
    command = tyro.cli(
        _train_command(find_builder(name)),
        prog="tinker-rl train",
        description=Config.__doc__,
        args=rest,
    )
    train(plain_config(command.config), existing=command.existing)


def _distill(arguments: list[str]) -> None:
    name, rest = _take_option(arguments, "--env")
    command = tyro.cli(
        _distill_command(find_builder(name or "tinker_rl:PromptFile")),
        prog="tinker-rl distill",
        description="On-policy distillation: the student answers, a teacher says how well.",
        args=rest,
    )
    config = plain_config(command.config)
    distillation = Distillation(
        teachers=(command.teacher,), coefficient=command.coefficient, discount=command.discount
    )
    train(evolve(config, distillation=distillation), existing=command.existing)


def _play(arguments: list[str]) -> None:
    if not arguments or arguments[0].startswith("-"):
        raise ConfigError("say which builder to play: tinker-rl play module:Builder")
    name, *rest = arguments
    builder = find_builder(name)
    if not hasattr(builder, "build"):
        raise ConfigError(f"{name} asks models, and has no build(renderer, seed) to play without")
    settings = tyro.cli(_play_command(builder), prog="tinker-rl play", args=rest)
    tokenizer = get_tokenizer(settings.model)
    renderer = get_renderer(get_recommended_renderer_name(settings.model), tokenizer)
    data = settings.data.build(renderer=renderer, seed=settings.seed)
    groups = data.train.get_batch(0)
    asyncio.run(play(groups[min(settings.group, len(groups) - 1)], renderer))


def find_builder(name: str) -> type:
    """The class of a builder of data by `module:Class`; raises ConfigError for none."""
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"{name!r} cannot be imported as module:Class: {error}") from error
    builds = hasattr(found, "build") or hasattr(found, "build_on")
    if not (inspect.isclass(found) and attrs.has(found) and builds):
        raise ConfigError(
            f"{name} is no builder: an attrs class with build(renderer, seed), "
            "or build_on(service, renderer, seed)"
        )
    return found


def _train_command(builder: type) -> Any:
    return _frozen("Train", _config_fields(builder), existing="refuse")


def _distill_command(builder: type) -> Any:
    teaching = {"teacher": TeacherConfig, "coefficient": float, "discount": float}
    fields = {**_config_fields(builder), **teaching}
    return _frozen("Distill", fields, existing="refuse", coefficient=1.0, discount=0.0)


def _config_fields(builder: type) -> dict[str, Any]:
    """The config with its data of that class, so that the command line knows the class's fields."""
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
    """The value of an option, None where it is not there, and the other arguments."""
    for i, argument in enumerate(arguments):
        if argument.startswith(f"{name}="):
            return argument.removeprefix(f"{name}="), [*arguments[:i], *arguments[i + 1 :]]
        if argument == name and i + 1 < len(arguments):
            return arguments[i + 1], [*arguments[:i], *arguments[i + 2 :]]
    return None, arguments
