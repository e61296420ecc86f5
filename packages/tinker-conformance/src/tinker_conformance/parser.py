"""An argument parser whose errors are one line and suggest the names that are similar."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn


class CommandParser(argparse.ArgumentParser):
    """Reports a misspelt command or option before arguments that are missing."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def parse_known_args(  # type: ignore[override]  # overloaded there
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> Any:
        """Parse; the parser of a command gets the arguments after the command's name."""
        if self._subparsers is None:
            for name in (argument.split("=")[0] for argument in args or ()):
                if re.match("--[a-z]", name) and name not in self._option_string_actions:
                    similar = _similar(name, self._option_string_actions)
                    self.error(f"unknown option {name}{similar}")
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Print one line, and exit with the status 2."""
        pattern = r"argument command: invalid choice: '(.*)' \(choose from (.*)\)"
        if found := re.match(pattern, message):
            names = [name.strip("' ") for name in found[2].split(",")]
            similar = _similar(found[1], names) or f"; the commands are {', '.join(names)}"
            message = f"unknown command {found[1]!r}{similar}"
        self.exit(2, f"{self.prog.split()[0]}: {message} ({self.prog} --help)\n")


def _similar(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known))
    return f"; did you mean {' or '.join(close)}?" if close else ""
