"""Command lines with values that no option should take."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from tinker_core.command_arguments import Parse, help_text

_NUMBER = re.compile(r"^  (--[\w.-]+) \S*\b(INT|FLOAT)\b", re.MULTILINE)


def hostile_arguments(parse: Parse[Any], arguments: Sequence[str]) -> Iterator[list[str]]:
    """The arguments with each number among the options of their help set to bad values in turn."""
    for option, kind in _NUMBER.findall(help_text(parse, list(arguments))):
        for value in ("-1", "0" if kind == "INT" else "nan"):
            yield [*arguments, option, value]
