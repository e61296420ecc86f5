"""Folders that appear whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tinker_core import ConfigError

_PARTIAL = re.compile(r"\.(?P<name>.+)\.(?P<pid>\d+)\.partial")


@contextmanager
def new_folder(folder: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A hidden folder to fill, which takes the name `folder` when the block ends without an error.

    What an error or a killed process leaves half written is removed. Raises ConfigError, before
    anything is written, where `folder` holds something already and `overwrite` is not set.
    """
    folder = folder.expanduser()
    if not overwrite:
        check_free(folder)
    _remove_abandoned(folder)
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        replace_folder(partial, folder)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check_free(folder: Path) -> None:
    """Raise ConfigError where something lies in the folder already."""
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise ConfigError(f"{folder} exists already: choose another name, or pass --overwrite")


def replace_folder(partial: Path, folder: Path) -> None:
    """Give a complete folder its name; what had the name is removed."""
    old = folder.with_name(f".{folder.name}.{os.getpid()}.replaced")
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    if old.is_dir():
        shutil.rmtree(old)
    old.unlink(missing_ok=True)


def _remove_abandoned(folder: Path) -> None:
    """Remove what processes left that were killed while they wrote the same folder."""
    if not folder.parent.is_dir():
        return
    for path in folder.parent.glob(f".{folder.name}.*.partial"):
        found = _PARTIAL.fullmatch(path.name)
        if found and found["name"] == folder.name and not _lives(int(found["pid"])):
            shutil.rmtree(path, ignore_errors=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
