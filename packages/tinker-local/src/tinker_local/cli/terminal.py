"""Text for a terminal, without the control sequences that models and files may put in it."""

from __future__ import annotations

import logging
import re
import sys
from typing import TextIO

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters other than tab and newline, and those that reverse the reading direction."""


def printable(text: str) -> str:
    """The text with every control character spelled out, such as \\x1b."""
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


def write_line(text: object, file: TextIO | None = None) -> None:
    """Print a line, by default on stdout."""
    print(printable(str(text)), file=file or sys.stdout)


class _PrintableFormatter(logging.Formatter):
    """A log may quote what a client has sent."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def log_to_stderr(line: str) -> None:
    """Log from the level INFO on, each record in this format."""
    handler = logging.StreamHandler()
    handler.setFormatter(_PrintableFormatter(line))
    logging.basicConfig(level="INFO", handlers=[handler])
