"""The lock of a run directory: one process at a time works on a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from tinker_core import RunDirectoryError
from tinker_train.run.directory import has_run

_LOCK = ".lock"


@contextmanager
def lock_run(path: Path) -> Iterator[None]:
    """Lock a run directory for the block; the system releases the lock of a killed process.

    A missing folder is made, and removed again if it does not become a run directory. Raises
    RunDirectoryError at once if another process has the lock.
    """
    path.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunDirectoryError(
            f"{path} is in use: another process holds its lock; wait for it or stop it first"
        ) from None
    try:
        yield
    finally:
        lock.release()
        if not has_run(path):
            (path / _LOCK).unlink(missing_ok=True)
            with suppress(OSError):  # not empty: something else lies there
                path.rmdir()


def refuse_locked(path: Path) -> None:
    """Raise RunDirectoryError if another process has the lock of the folder."""
    if (path / _LOCK).exists():
        with lock_run(path):
            pass
