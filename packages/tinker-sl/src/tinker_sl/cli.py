"""The `tinker-sl` command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import tyro
from attrs import field, fields, frozen

from tinker_core import ConfigError, CutShort, Malformed, PostTrainingError
from tinker_data import ConversationFile, ConversationMixture, HubConversations
from tinker_sl.config import Config
from tinker_sl.dry_run import dry_run
from tinker_sl.sampling import Sampling, sample_run
from tinker_sl.training import renderer_of, resume, train
from tinker_train import Existing, read_config_file


@frozen(kw_only=True)
class FileConfig(Config):
    """A supervised run on a file of conversations."""

    data: ConversationFile
    """What to learn from."""


@frozen(kw_only=True)
class MixtureConfig(Config):
    """A supervised run on several files of conversations."""

    data: ConversationMixture
    """What to learn from."""


@frozen(kw_only=True)
class HubConfig(Config):
    """A supervised run on a dataset of the Hugging Face hub."""

    data: HubConversations
    """What to learn from."""


C = TypeVar("C", FileConfig, MixtureConfig, HubConfig)


@frozen(kw_only=True)
class Train(Generic[C]):
    """A run that begins."""

    config: Annotated[C, tyro.conf.arg(name="")]
    existing: Existing = "refuse"
    """What to do where the folder holds this very run already."""
    dry_run: bool = False
    """Show an example, sizes, steps and time, and train nothing."""

    def __call__(self) -> None:
        if self.dry_run:
            renderer = renderer_of(self.config)
            data = self.config.data.build(renderer=renderer, seed=self.config.seed)
            dry_run(self.config, data, renderer)
        else:
            train(self.config, existing=self.existing)


@frozen(kw_only=True)
class Resume:
    """Go on with a run that was interrupted."""

    run: tyro.conf.Positional[Path]
    """The run's folder."""

    def __call__(self) -> None:
        resume(self.run)


@frozen(kw_only=True)
class Sample:
    """Ask the model of a run something."""

    run: tyro.conf.Positional[Path]
    """The run's folder."""
    message: tyro.conf.Positional[str]
    """What the user says."""
    base: bool = False
    """Ask the model that the run began with instead."""
    system: str | None = None
    """A system prompt."""
    sampling: Annotated[Sampling, tyro.conf.arg(name="")] = field(factory=Sampling)

    def __call__(self) -> None:
        system = [] if self.system is None else [{"role": "system", "content": self.system}]
        messages = [*system, {"role": "user", "content": self.message}]
        outcome = sample_run(self.run, messages, base=self.base, sampling=self.sampling)
        print(outcome.message.text)
        match outcome:
            case CutShort():
                print(f"[cut short at {self.sampling.max_tokens} tokens]", file=sys.stderr)
            case Malformed(reason=reason):
                print(f"[malformed: {reason}]", file=sys.stderr)


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
Command = (
    Annotated[
        Train[FileConfig],
        tyro.conf.subcommand("train", description="Fine-tune a model on a file of conversations."),
    ]
    | Annotated[
        Train[MixtureConfig],
        tyro.conf.subcommand(
            "train-mixture", description="Fine-tune on several files, drawn from by weights."
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
    """Run one command; what our packages raise on purpose ends it with one line and status 2."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        _parse(given)()
    except PostTrainingError as error:
        print(f"tinker-sl: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)


def _parse(arguments: list[str]) -> Train[Any] | Resume | Sample:
    """`train --config FILE` takes its options from a file; those beside it go before the file's."""
    kind: Any = Command
    options: dict[str, Any] = {
        "prog": "tinker-sl",
        "description": (
            "Supervised fine-tuning of language models on the Tinker API. "
            "`tinker-sl train --config FILE ...` begins with the options in a TOML or JSON file."
        ),
    }
    match arguments:
        case [command, "--config", file, *rest] if command in _TRAIN:
            config = _from_file(Path(file), _TRAIN[command])
            kind, arguments = Train[type(config)], rest  # type: ignore[misc]
            options = {"prog": f"tinker-sl {command}", "default": kind(config=config)}
    parsed: Train[Any] | Resume | Sample = tyro.cli(
        kind, args=arguments, config=(tyro.conf.OmitSubcommandPrefixes,), **options
    )
    return parsed


def _from_file(file: Path, expected: type[Config]) -> Config:
    """The config in a file, of the class that the command line knows for its data.

    What names no class is read as `expected`. Raises ConfigError.
    """
    config = read_config_file(file, expected)
    kind = _OF_DATA.get(type(config.data)) if isinstance(config, Config) else None
    if kind is None:
        raise ConfigError(f"{file} configures no run of `tinker-sl train`")
    return kind(**{each.name: getattr(config, each.name) for each in fields(Config)})


if __name__ == "__main__":
    main()
