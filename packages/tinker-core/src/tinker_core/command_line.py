"""The frame of every command line: parse the arguments, run the command, set the exit status.

    0     the command succeeded, unless it returns a status of its own
    2     an expected error (`PostTrainingError`, an invalid setting, a file that cannot be read or
          written): one line on stderr
    130   Ctrl-C

Any other exception is a defect and keeps its traceback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import NoReturn, TypeVar

from tinker_core.command_arguments import Parse, parse_arguments
from tinker_core.errors import PostTrainingError

T = TypeVar("T")
Command = Callable[[], object]
"""A parsed command. An integer that it returns is its exit status."""


def run_command_line(
    distribution: str,
    parse: Parse[Command],
    arguments: Sequence[str] | None = None,
    *,
    context: Sequence[str] = (),
) -> None:
    """Parse `arguments` (default: `sys.argv`), run the command, and exit where its status is not 0.

    `distribution` is the name of the installed distribution and of the program: it begins each
    error message, and `--version` prints its version. `context` names options that decide which
    other options there are.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if "--version" in given:
        print(f"{distribution} {version(distribution)}")
        return
    command = parse_or_exit(distribution, parse, given, context=context)
    try:
        status = command()
    except PostTrainingError as error:
        _fail(distribution, str(error))
    except OSError as error:
        _fail_for_file(distribution, error)
    except KeyboardInterrupt:
        print(f"{distribution}: interrupted", file=sys.stderr)
        sys.exit(130)
    if isinstance(status, int) and status:
        sys.exit(status)


def parse_or_exit(
    program: str, parse: Parse[T], arguments: Sequence[str], *, context: Sequence[str] = ()
) -> T:
    """Parse the arguments; a name or a value that is refused is one line and the status 2."""
    try:
        return parse_arguments(parse, list(arguments), context)
    except OSError as error:
        _fail_for_file(program, error)
    except (PostTrainingError, ValueError) as error:
        is_ours = isinstance(error, PostTrainingError)  # attrs adds the attribute to its message
        _fail(program, str(error) if is_ours or not error.args else str(error.args[0]))


def _fail_for_file(program: str, error: OSError) -> NoReturn:
    """Name the file and the reason of the system; a reader that has gone is told nothing."""
    if isinstance(error, BrokenPipeError):  # such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at the end
        sys.exit(1)
    reason = error.strerror or str(error) or type(error).__name__
    _fail(program, reason if error.filename is None else f"{error.filename}: {reason}")


def _fail(program: str, message: str) -> NoReturn:
    line = f"{program}: {' '.join(message.split())}"
    print(line.encode("utf-8", "backslashreplace").decode(), file=sys.stderr)
    sys.exit(2)
