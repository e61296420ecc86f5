"""`tinker-evals doctor`."""

from __future__ import annotations

import asyncio

from attrs import frozen

from tinker_evals.sandbox.local import LocalJail
from tinker_evals.sandbox.sandbox import Sandbox

_ALWAYS = (
    "the tests and the verdict are in another process than the program",
    "time, memory of a process, size of a file, open files and processes have limits",
)
_ISOLATED = (
    "no network, this machine included",
    "no view of other processes, and no signals to them",
    "no view of your files; system folders are read-only",
    "the folder has a limit on its total size",
    "no process is left behind",
)
_NEVER = ("the memory of all processes together has a limit (it needs a container)",)


@frozen(kw_only=True)
class Doctor:
    """Show which guarantees the local sandbox gives on this system."""

    def __call__(self) -> None:
        """Run an empty program, and print one line per guarantee."""
        ran = asyncio.run(Sandbox(backend=LocalJail()).run("pass"))
        for holds, guarantees in ((True, _ALWAYS), (ran.isolated, _ISOLATED), (False, _NEVER)):
            for guarantee in guarantees:
                print(f"{'yes' if holds else 'no ':4}{guarantee}")
