"""The `tinker-sl` command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import tyro
from attrs import field, fields, frozen

from tinker_core import ConfigError, CutShort, Malformed
from tinker_core.command_line import Command, run_command_line
from tinker_data import ConversationFile, ConversationMixture, HubConversations
from tinker_sl.config import Config
from tinker_sl.dry_run import dry_run
from tinker_sl.sampling import Sampling, sample_run
from tinker_sl.training import resume, train
from tinker_train import Existing, read_config_file
from tinker_train.commands import Resume, run_training, take_option


@frozen(kw_only=True)
class FileConfig(Config):
    """A supervised run on a file of conversations."""

    data: ConversationFile


@frozen(kw_only=True)
class MixtureConfig(Config):
    """A supervised run on several files of conversations."""

    data: ConversationMixture


@frozen(kw_only=True)
class HubConfig(Config):
    """A supervised run on a dataset of the Hugging Face hub."""

    data: HubConversations


C = TypeVar("C", FileConfig, MixtureConfig, HubConfig)


@frozen(kw_only=True)
class Train(Generic[C]):
    """Fine-tune a model."""

    config: Annotated[C, tyro.conf.arg(name="")]
    existing: Existing = "refuse"
    """The action if the run directory holds this run already."""
    dry_run: bool = False
    """Show an example, sizes, number of steps and time, and train nothing."""


@frozen(kw_only=True)
class Sample:
    """Sample a reply from the model of a run or a checkpoint, and say which one it is."""

    run: tyro.conf.Positional[str]
    """Run directory, for its newest checkpoint; or a `tinker://` path."""
    message: tyro.conf.Positional[str]
    """The user's message."""
    step: int | None = None
    """Take the checkpoint of this step of the run."""
    renderer: str | None = None
    """Name of the renderer; absent: the one of the training."""
    base: bool = False
    """Sample from the base model instead."""
    system: str | None = None
    """System prompt."""
    sampling: Annotated[Sampling, tyro.conf.arg(name="")] = field(factory=Sampling)


_TRAIN: dict[str, type[Config]] = {
    "train": FileConfig,
    "train-mixture": MixtureConfig,
    "train-hub": HubConfig,
}
_OF_DATA: dict[type, type[Config]] = {
    ConversationFile: FileConfig,
    ConversationMixture: MixtureConfig,
    HubConversations: HubConfig,
}
Commands = (
    Annotated[
        Train[FileConfig],
        tyro.conf.subcommand("train", description="Fine-tune a model on a file of conversations."),
    ]
    | Annotated[
        Train[MixtureConfig],
        tyro.conf.subcommand(
            "train-mixture", description="Fine-tune on several files, mixed by weights."
        ),
    ]
    | Annotated[
        Train[HubConfig],
        tyro.conf.subcommand(
            "train-hub", description="Fine-tune on a dataset of the Hugging Face hub."
        ),
    ]
    | Annotated[Resume, tyro.conf.subcommand("resume")]
    | Annotated[Sample, tyro.conf.subcommand("sample")]
)


def main(arguments: Sequence[str] | None = None) -> None:
    """The `tinker-sl` command."""
    run_command_line("tinker-sl", _parse, arguments, context=("--config",))


def _parse(arguments: list[str]) -> Command:
    """`train --config FILE` takes its options from a file; those beside it override the file's."""
    kind: Any = Commands
    options: dict[str, Any] = {
        "prog": "tinker-sl",
        "description": (
            "Supervised fine-tuning of language models on the Tinker API. "
            "`tinker-sl train --config FILE ...` begins with the options in a TOML or JSON file."
        ),
    }
    file, rest = take_option(arguments[1:], "--config")
    if file is not None and arguments[0] in _TRAIN:
        config = _from_file(Path(file), _TRAIN[arguments[0]])
        kind = Train[type(config)]  # type: ignore[misc]
        options = {"prog": f"tinker-sl {arguments[0]}", "default": kind(config=config)}
        arguments = rest
    conf = (tyro.conf.OmitSubcommandPrefixes, tyro.conf.CascadeSubcommandArgs)
    parsed: Train[Any] | Resume | Sample = tyro.cli(kind, args=arguments, config=conf, **options)
    match parsed:
        case Resume():
            return partial(parsed, "tinker-sl", resume)
        case Sample():
            return partial(_sample, parsed)
        case Train(config=config, dry_run=True):
            return partial(dry_run, config)
    work = partial(train, parsed.config, existing=parsed.existing)
    return partial(run_training, "tinker-sl", work, parsed.config.run_dir)


def _from_file(file: Path, expected: type[Config]) -> Config:
    """The config in a file, of the class that the command line has for its data.

    A file that names no class is read as `expected`. Raises ConfigError.
    """
    config = read_config_file(file, expected)
    kind = _OF_DATA.get(type(config.data)) if isinstance(config, Config) else None
    if kind is None:
        raise ConfigError(f"{file} configures no run of `tinker-sl train`")
    return kind(**{each.name: getattr(config, each.name) for each in fields(Config)})


def _sample(command: Sample) -> None:
    system = [] if command.system is None else [{"role": "system", "content": command.system}]
    messages = [*system, {"role": "user", "content": command.message}]
    reply = sample_run(
        command.run,
        messages,
        step=command.step,
        renderer=command.renderer,
        base=command.base,
        sampling=command.sampling,
    )
    print(reply.model, file=sys.stderr)
    outcome = reply.outcome
    print(outcome.message.text)
    match outcome:
        case CutShort():
            print(f"[cut short at {command.sampling.max_tokens} tokens]", file=sys.stderr)
        case Malformed(reason=reason):
            print(f"[malformed: {reason}]", file=sys.stderr)


if __name__ == "__main__":
    main()
