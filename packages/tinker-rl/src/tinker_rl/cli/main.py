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
from attrs import NOTHING, evolve
from tyro.conf import subcommand

from tinker_core import ConfigError
from tinker_core.command_line import Command, run_command_line
from tinker_render import renderer_for
from tinker_rl.cli.play import play
from tinker_rl.cli.script import config_class, plain_config
from tinker_rl.config import Config
from tinker_rl.train import resume, train
from tinker_rl.update.distillation import Distillation, TeacherConfig
from tinker_train import Existing
from tinker_train.commands import Resume, run_training, take_option

_PROBLEMS, _PROMPTS = "tinker_rl:ProblemFile", "tinker_rl:PromptFile"
_ENV = "Builder of the environments; its fields are the options of --data."


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the `tinker-rl` command."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # for environments in the user's modules
    run_command_line("tinker-rl", _parse, arguments, context=("--env",))


def _parse(arguments: list[str]) -> Command:
    """Parse; the builder that the arguments name decides which options `--data` has."""
    env, _ = take_option(arguments, "--env")
    match arguments:
        case ["play", name, *_] if not name.startswith("-"):
            env = name
    commands: Any = (
        Annotated[_train_command(find_builder(env or _PROBLEMS)), subcommand("train")]
        | Annotated[_distill_command(find_builder(env or _PROMPTS)), subcommand("distill")]
        | Annotated[Resume, subcommand("resume")]
        | Annotated[_play_command(find_builder(env or _PROBLEMS)), subcommand("play")]
    )
    parsed = tyro.cli(
        commands,
        prog="tinker-rl",
        description="Reinforcement learning of language models on the Tinker API.",
        args=arguments,
        config=(tyro.conf.CascadeSubcommandArgs,),
    )
    match type(parsed).__name__:
        case "Train":
            return _training(plain_config(parsed.config), parsed.existing)
        case "Distill":
            distillation = Distillation(
                teachers=(parsed.teacher,),
                coefficient=parsed.coefficient,
                discount=parsed.discount,
            )
            config = evolve(plain_config(parsed.config), distillation=distillation)
            return _training(config, parsed.existing)
        case "Resume":
            return partial(parsed, "tinker-rl", resume)
    return partial(_play, parsed)


def _training(config: Config, existing: Existing) -> Command:
    work = partial(train, config, existing=existing)
    return partial(run_training, "tinker-rl", work, config.run_dir)


def _play(settings: Any) -> None:
    if not hasattr(settings.data, "build"):
        raise ConfigError(f"{settings.env} asks models and has no build(renderer, seed) to play")
    renderer = renderer_for(settings.model)
    data = settings.data.build(renderer=renderer, seed=settings.seed)
    groups = data.train.get_batch(0)
    if not 0 <= settings.group < len(groups):
        raise ConfigError(f"--group {settings.group}: expected 0 to {len(groups) - 1}")
    asyncio.run(play(groups[settings.group], renderer))


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
    env = {"env": Annotated[str, tyro.conf.arg(metavar="module:Builder", help=_ENV)]}
    return _frozen("Train", "Train a policy.", {**env, **_config_fields(builder)})


def _distill_command(builder: type) -> Any:
    env = {"env": Annotated[str, tyro.conf.arg(metavar="module:Builder", help=_ENV)]}
    teaching = {"teacher": TeacherConfig, "coefficient": float, "discount": float}
    defaults = {"env": _PROMPTS, "coefficient": 1.0, "discount": 0.0}
    summary = "On-policy distillation: the student answers, and a teacher scores each token."
    return _frozen("Distill", summary, {**env, **_config_fields(builder), **teaching}, **defaults)


def _play_command(builder: type) -> Any:
    fields = {
        "env": tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="module:Builder")]],
        "data": builder,
        "model": str,
        "seed": Annotated[int, tyro.conf.arg(help="Seed of the environments.")],
        "group": int,
    }
    summary = "Play in the model's place."
    return _frozen("Play", summary, fields, model="local/tiny", seed=0, group=0)


def _config_fields(builder: type) -> dict[str, Any]:
    """The config with `data` of that class, so that the command line knows the class's fields."""
    of: Any = Annotated[config_class(builder), tyro.conf.arg(name=""), tyro.conf.FlagConversionOff]
    return {"config": of, "existing": Existing}


def _frozen(name: str, summary: str, fields: dict[str, Any], **defaults: Any) -> Any:
    """A frozen, keyword-only attrs class; `summary` describes the command."""
    made = {
        key: attrs.field(type=kind, default={"existing": "refuse", **defaults}.get(key, NOTHING))
        for key, kind in fields.items()
    }
    found = attrs.make_class(name, made, frozen=True, kw_only=True, slots=True)
    found.__doc__ = summary
    return found
