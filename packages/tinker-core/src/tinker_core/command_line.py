"""The frame of every command line: parse the arguments, run the command, set the exit status.

    0     the command succeeded, unless it returns a status of its own
    2     an expected error (`PostTrainingError`, an invalid setting): one line on stderr
    130   Ctrl-C

Any other exception is a defect and keeps its traceback.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import NoReturn

from tinker_core.errors import PostTrainingError

Command = Callable[[], object]
"""A parsed command. An integer that it returns is its exit status."""


def run_command_line(
    distribution: str,
    parse: Callable[[list[str]], Command],
    arguments: Sequence[str] | None = None,
) -> None:
    """Parse `arguments` (default: `sys.argv`), run the command, and exit where its status is not 0.

    `distribution` is the name of the installed distribution and of the program: it begins each
    error message, and `--version` prints its version.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given == ["--version"]:
        print(f"{distribution} {version(distribution)}")
        return
    try:
        status = _parse(parse, given)()
    except PostTrainingError as error:
        _fail(distribution, str(error))
    except KeyboardInterrupt:
        print(f"{distribution}: interrupted", file=sys.stderr)
        sys.exit(130)
    if isinstance(status, int) and status:
        sys.exit(status)


def _parse(parse: Callable[[list[str]], Command], arguments: list[str]) -> Command:
    """Parse the arguments; a value that a config class refuses becomes an expected error."""
    try:
        return parse(arguments)
    except PostTrainingError:
        raise
    except ValueError as error:  # attrs validators raise it, with the attribute as second argument
        raise PostTrainingError(str(error.args[0]) if error.args else "invalid value") from error


def _fail(distribution: str, message: str) -> NoReturn:
    print(f"{distribution}: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)
