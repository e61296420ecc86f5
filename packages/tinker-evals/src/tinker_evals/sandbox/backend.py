"""The interface of sandboxes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from attrs import field, frozen, validators


@frozen(kw_only=True)
class Limits:
    """Limits of one run."""

    seconds: float = field(default=10.0, validator=validators.gt(0))
    """Wall-clock time and processor time."""
    memory_mb: int = field(default=1024, validator=validators.gt(0))
    """Address space of each process."""
    file_mb: int = field(default=16, validator=validators.gt(0))
    """Total size of the folder; without namespaces, the size of each file."""
    processes: int = field(default=16, validator=validators.gt(0))
    """Processes and threads of the program."""


@frozen(kw_only=True)
class Ended:
    """The end of a run."""

    stdout: str
    timed_out: bool
    isolated: bool
    """The run saw no other process, no network and no files of the user."""
    problem: str = ""
    """The reason for less isolation than that."""


class Backend(Protocol):
    """A place where programs run: the local jail, a container, a service."""

    async def run(self, files: Mapping[str, str], stdin: str, limits: Limits) -> Ended:
        """Run `python main.py` in a folder with these files. Raises GradingError."""
        ...
