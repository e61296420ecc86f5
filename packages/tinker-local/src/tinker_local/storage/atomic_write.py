"""Atomic writes: a file or folder is written whole or not at all.

A folder is filled under a hidden name beside its place, synced, and renamed. What a crash leaves
behind has one of the prefixes below, and `clean_up` removes it.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path

NEW, REPLACED, DELETED = ".new-", ".replaced-", ".deleted-"
RENAME_S, WRITE_S = 5.0, 3600.0
"""The longest that two renames, and the writing of a folder, may take."""


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_file(path: Path, content: bytes) -> None:
    """Write or replace a file."""
    temporary = path.with_name(f"{NEW}{uuid.uuid4().hex}")
    try:
        temporary.write_bytes(content)
        _sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync(path.parent)


def write_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Write or replace a folder. `fill` writes its files into the path that it is given."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f"{NEW}{uuid.uuid4().hex}")
    old = folder.with_name(f"{REPLACED}{folder.name}")
    try:
        temporary.mkdir()
        fill(temporary)
        for file in temporary.iterdir():
            _sync(file)
        _sync(temporary)
        if folder.exists():
            folder.rename(old)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _sync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def delete_folder(folder: Path) -> None:
    """Delete a folder. A reader sees all of it or nothing."""
    doomed = folder.with_name(f"{DELETED}{uuid.uuid4().hex}")
    folder.rename(doomed)
    shutil.rmtree(doomed)


def clean_up(parent: Path) -> None:
    """Undo what a crash left half done among the children of `parent`.

    Young files stay until the next time, because another server may be writing them.
    """
    for child in parent.iterdir():
        if not child.name.startswith((NEW, REPLACED, DELETED)):
            continue
        age = time.time() - child.stat().st_ctime
        original = child.with_name(child.name.removeprefix(REPLACED))
        if child.name.startswith(REPLACED) and not original.exists():
            if age > RENAME_S:
                child.rename(original)  # the crash came between the two renames
        elif age > WRITE_S:
            shutil.rmtree(child) if child.is_dir() else child.unlink()
