"""The `tinker-local` command: its options and subcommands."""

from __future__ import annotations

import argparse
import importlib.metadata
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tinker_local import catalog
from tinker_local.cli import machine
from tinker_local.cli.parser import CommandParser
from tinker_local.cli.terminal import log_to_stderr, write_line
from tinker_local.errors import RequestError
from tinker_local.loopback import ADDRESS


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="tinker-local",
        description="A Tinker API server with LoRA training and sampling, on this machine.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    _add_serve(commands.add_parser("serve", help="run the server until a signal stops it"))
    pull = commands.add_parser("pull", help="fetch a model and print its folder")
    pull.add_argument("model")
    commands.add_parser("models", help="list the models on this machine")
    _add_chat(commands.add_parser("chat", help="chat with a base model or a checkpoint"))
    commands.add_parser("doctor", help="describe this machine, and what can be trained on it")
    return parser


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", action="append", default=[], help="load at once; repeatable")
    parser.add_argument("--host", default=ADDRESS, help="any but loopback needs --key")
    parser.add_argument("--port", type=int, default=8765, help="0 takes a free one")
    parser.add_argument("--key", default=_variable("KEY"), help="begins with tml-")
    parser.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a further host name that is admitted without --key; repeatable",
    )
    parser.add_argument("--home", type=Path, default=None, help="the folder of checkpoints")
    parser.add_argument("--device", default=_variable("DEVICE") or "cpu", help="cpu or cuda")
    parser.add_argument(
        "--dtype",
        choices=["float32", "bfloat16"],
        default=_variable("DTYPE"),
        help="default: float32 on a CPU, bfloat16 on a GPU",
    )
    parser.add_argument("--threads", type=int, default=None, help="default: one for each core")
    parser.add_argument("--session-timeout", type=float, default=300.0, metavar="SECONDS")
    parser.add_argument(
        "--loss",
        action="append",
        default=(_variable("LOSS") or "").split(),
        metavar="MODULE:CLASS",
        help="serve a further loss function; repeatable",
    )
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)


def _add_chat(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", help="the name of a base model, or the tinker:// path of a checkpoint"
    )
    parser.add_argument("--system", default=None, help="the system message")
    parser.add_argument("--max-tokens", type=int, default=None, help="of one reply")
    parser.add_argument("--temperature", type=float, default=1.0, help="0: greedy")
    parser.add_argument("--url", default=None, help="of a running engine; default: start one")
    parser.add_argument("--key", default=_variable("KEY"), help="of that engine")


def _variable(name: str) -> str | None:
    """An environment variable of the engine; None when it is unset or empty."""
    return os.environ.get(f"TINKER_LOCAL_{name}") or None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if "--version" in given:
        print(f"tinker-local {importlib.metadata.version('tinker-local')}")
        return 0
    options = _parser().parse_args(given)
    commands = {"serve": serve, "pull": pull, "models": models, "chat": chat, "doctor": doctor}
    try:
        commands[options.command](options)
    except RequestError as error:
        write_line(f"tinker-local: {error}", sys.stderr)
        return 1
    except OSError as error:
        place = "" if error.filename is None else f"{error.filename}: "
        write_line(f"tinker-local: {place}{error.strerror or error}", sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def serve(options: argparse.Namespace) -> None:
    """Run the server until a signal or, with `--child`, until the parent is gone."""
    for name, value in machine.THREADING.items():
        os.environ.setdefault(name, value)  # torch reads them when it is imported
    for library in machine.UNUSED_LIBRARIES:
        sys.modules.setdefault(library, None)  # type: ignore[arg-type]  # importing it now fails
    log_to_stderr("%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn").setLevel("WARNING")
    from tinker_local.cli.serve import run

    run(options)


def pull(options: argparse.Namespace) -> None:
    """Print what is fetched, and from where, on stderr, and the folder alone on stdout."""
    log_to_stderr("%(message)s")
    logging.getLogger("httpx").setLevel("WARNING")
    write_line(catalog.resolve(options.model))


def models(options: argparse.Namespace) -> None:
    """Print a table of the models on this machine."""
    rows = [("MODEL", "PARAMETERS", "ON DISK", "LICENCE", "FROM")]
    for model in catalog.available():
        licence = model.licence or "not stated"
        size = f"{model.size / 1e6:,.1f} MB"
        rows.append((model.name, f"{model.parameters / 1e6:,.1f} M", size, licence, model.source))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, parameters, size, licence, source in rows:
        write_line(
            f"{name:{widths[0]}}  {parameters:>{widths[1]}}  {size:>{widths[2]}}  "
            f"{licence:{widths[3]}}  {source}"
        )


def chat(options: argparse.Namespace) -> None:
    """Chat in the terminal."""
    from tinker_local.cli.chat import run

    run(options)


def doctor(options: argparse.Namespace) -> None:
    """Print a report about this machine."""
    from tinker_local.cli.doctor import report

    for line in report():
        write_line(line)
