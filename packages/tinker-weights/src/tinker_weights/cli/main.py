"""The `tinker-weights` command: each of its commands is the function of the same name."""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any

import tyro

import tinker_weights
from tinker_core.command_line import Command, run_command_line
from tinker_weights.cli.show import confirm, show, show_progress

_COMMANDS: dict[str, Callable[..., object]] = {
    "download": functools.partial(tinker_weights.download, progress=show_progress),
    "export-adapter": tinker_weights.export_adapter,
    "merge": tinker_weights.merge,
    "gguf": tinker_weights.gguf,
    "publish": tinker_weights.publish,
    "card": tinker_weights.card,
    "list": tinker_weights.list,
    "info": tinker_weights.info,
    "delete": functools.partial(tinker_weights.delete, ask=confirm),
    "ttl": functools.partial(tinker_weights.ttl, ask=confirm),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("tinker_weights").setLevel(logging.INFO)
    run_command_line("tinker-weights", _parse, arguments)


def _parse(arguments: list[str]) -> Command:
    command: Command = tyro.extras.subcommand_cli_from_dict(
        {name: _deferred(function) for name, function in _COMMANDS.items()},
        prog="tinker-weights",
        description="Download, merge, export, convert, publish and manage Tinker checkpoints.",
        args=arguments,
        config=(tyro.conf.PositionalRequiredArgs, tyro.conf.OmitArgPrefixes),
    )
    return command


def _deferred(function: Callable[..., object]) -> Callable[..., Command]:
    """The function with its arguments, to be called later: parsing alone does nothing."""
    inner = function.func if isinstance(function, functools.partial) else function

    @functools.wraps(inner)
    def parsed(*positional: Any, **named: Any) -> Command:
        given = {name: value for name, value in named.items() if value is not None}
        return lambda: show(function(*positional, **given))

    return parsed


if __name__ == "__main__":
    main()
