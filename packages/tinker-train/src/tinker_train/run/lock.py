"""One process at a time works on a run: two would write rows into each other's files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from tinker_core import RunDirectoryError
from tinker_train.run.directory import has_run

_LOCK = ".lock"


@contextmanager
def hold_run(path: Path) -> Iterator[None]:
    """Keep others out of a run's folder; the system lets go of it however this process ends.

    A folder that is not there is made, and taken away again when no run came to lie in it. Raises
    RunDirectoryError at once where the folder is held.
    """
    path.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunDirectoryError(
            f"{path} is in use: another process is training there; wait for it, or end it first"
        ) from None
    try:
        yield
    finally:
        lock.release()
        if not has_run(path):
            (path / _LOCK).unlink(missing_ok=True)
            with suppress(OSError):  # not empty: something else lies there
                path.rmdir()


def refuse_held(path: Path) -> None:
    """Raise RunDirectoryError where somebody holds the folder."""
    if (path / _LOCK).exists():
        with hold_run(path):
            pass
