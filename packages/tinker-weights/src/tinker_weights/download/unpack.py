"""Unpacking an archive that may have been made to do harm.

Only files and folders are written, each inside the target and each once. Links, devices and pipes
are refused, and so is an archive that unpacks to more than the disk or `max_bytes` allows. Nothing
of a refused archive stays.
"""

from __future__ import annotations

import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from attrs import frozen

from tinker_core import CheckpointError
from tinker_weights.download.safe_name import inside

_CHUNK = 2**20
_MAX_FILES = 100_000
_DAMAGED = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError),
    *(ValueError, NotImplementedError, RuntimeError),
)
"""Errors of the libraries for archives that are damaged, encrypted, or of an unknown kind."""


@frozen(kw_only=True)
class _Member:
    name: str
    size: int
    open: Callable[[], IO[bytes]]


def is_archive(file: Path) -> bool:
    """True if a file is a tar archive, compressed or not, or a zip archive."""
    return file.is_file() and (tarfile.is_tarfile(file) or zipfile.is_zipfile(file))


def unpack(
    archive: Path,
    folder: Path,
    *,
    max_bytes: int | None = None,
    keep: Callable[[str], bool] = lambda name: True,
) -> list[Path]:
    """Write the files of the archive into a new folder, and return their paths.

    `keep` chooses files by their names. Raises CheckpointError for an archive that is damaged or
    refused; the folder is then gone.
    """
    try:
        folder.mkdir(parents=True)
        with _open(archive, keep) as members:
            return list(_write(members, folder, _room(folder, max_bytes)))
    except CheckpointError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise CheckpointError(f"{archive}: {error}") from error
    except _DAMAGED as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise CheckpointError(f"{archive} cannot be unpacked: {error}") from error


@contextmanager
def _open(archive: Path, keep: Callable[[str], bool]) -> Iterator[Iterator[_Member]]:
    if zipfile.is_zipfile(archive) and not tarfile.is_tarfile(archive):
        with zipfile.ZipFile(archive) as opened:
            yield _zip_members(opened, keep)
    else:
        with tarfile.open(archive) as tar:
            yield _tar_members(tar, keep)


def _tar_members(tar: tarfile.TarFile, keep: Callable[[str], bool]) -> Iterator[_Member]:
    for member in tar:
        if member.isdir() or not keep(member.name):
            continue  # folders are made with the files that lie in them
        if not member.isreg() or member.issparse():
            raise CheckpointError(
                f"refused to unpack {member.name!r:.120}: it is a link, a device or a pipe"
            )
        yield _Member(name=member.name, size=member.size, open=partial(_file_of, tar, member))


def _file_of(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    opened = tar.extractfile(member)
    if opened is None:
        raise CheckpointError(f"refused to unpack {member.name!r:.120}: it is no file")
    return opened


def _zip_members(archive: zipfile.ZipFile, keep: Callable[[str], bool]) -> Iterator[_Member]:
    for member in archive.infolist():
        kind = stat.S_IFMT(member.external_attr >> 16)
        if member.is_dir() or not keep(member.filename):
            continue
        if kind not in (0, stat.S_IFREG):
            raise CheckpointError(
                f"refused to unpack {member.filename!r:.120}: it is a link, a device or a pipe"
            )
        yield _Member(
            name=member.orig_filename,
            size=member.file_size,
            open=partial(archive.open, member),
        )


def _write(members: Iterator[_Member], folder: Path, room: int) -> Iterator[Path]:
    taken: set[str] = set()
    for count, member in enumerate(members, start=1):
        target = inside(folder, member.name)
        room -= member.size
        if room < 0 or member.size < 0 or count > _MAX_FILES:
            raise CheckpointError("refused to unpack it: it would take too much room on the disk")
        spelt = str(target).casefold()
        if spelt in taken:
            raise CheckpointError(f"refused to unpack {member.name!r:.120} a second time")
        taken.add(spelt)
        target.parent.mkdir(parents=True, exist_ok=True)
        with member.open() as source, target.open("xb") as file:
            _copy(source, file, member)
        yield target


def _copy(source: IO[bytes], file: IO[bytes], member: _Member) -> None:
    """Copy as many bytes as the archive says, and no more."""
    left = member.size
    while chunk := source.read(_CHUNK):
        left -= len(chunk)
        if left < 0:
            raise CheckpointError(f"{member.name!r:.120} is larger than the archive says")
        file.write(chunk)
    if left:
        raise EOFError(f"{member.name!r:.120} ends early")


def _room(folder: Path, max_bytes: int | None) -> int:
    free = shutil.disk_usage(folder).free
    return free if max_bytes is None else min(free, max_bytes)
