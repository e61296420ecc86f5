"""A copy of a run directory at a URL, kept up to date while the run writes it."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
from attrs import define, field

from tinker_core import ConfigError, RunDirectoryError
from tinker_train.run.directory import RunDirectory, refuse_run

_SECONDS = 60.0
_FINISH_S = 120.0
_OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "az", "abfs"}
"""They have no folders, and their `makedirs` would make a bucket with a misspelt name."""


@contextmanager
def mirroring(
    path: Path, url: str | None, say: Callable[[str], None], *, seconds: float = _SECONDS
) -> Iterator[None]:
    """Copy the changed files of a run directory to the URL at intervals, and at the end.

    A thread copies. A failure is said once and tried again at the next interval; it never stops the
    run, and the end waits two minutes at most.
    """
    if url is None:
        yield
        return
    mirror = Mirror(path, url, say)
    over = threading.Event()
    thread = threading.Thread(target=mirror.keep, args=(over, seconds), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(_FINISH_S)
        if thread.is_alive():
            say(f"warning: the mirror {url} does not answer and lacks the last changes")


@define
class Mirror:
    """The state of a mirror: which version of each file it has."""

    path: Path
    url: str
    say: Callable[[str], None]
    _copied: dict[Path, tuple[int, int]] = field(factory=dict)
    _problem: str | None = None

    def keep(self, over: threading.Event, seconds: float) -> None:
        """Copy now, at each interval, and once more when the run is over."""
        while not over.is_set():
            self.copy()
            over.wait(seconds)
        self.copy()

    def copy(self) -> None:
        """Copy the files that changed; say the first of several failures in a row."""
        try:
            self._copy_changed()
            self._problem = None
        except Exception as error:  # noqa: BLE001  (each filesystem has errors of its own)
            if self._problem is None:
                self.say(f"warning: {self.url} cannot be written, the run goes on: {error}")
            self._problem = str(error)

    def _copy_changed(self) -> None:
        """Copy the checkpoints as they were before the other files, and copy them last.

        A mirror therefore has the metrics of each of its checkpoints, whenever the machine goes.
        """
        filesystem, root = open_filesystem(self.url)
        records = RunDirectory(self.path).checkpoints_file
        checkpoints = records.read_bytes() if records.exists() else b""
        for file in sorted(self.path.rglob("*")):
            name = file.relative_to(self.path)
            is_hidden = any(part.startswith(".") for part in name.parts)  # locks, unfinished files
            if file == records or is_hidden or not file.is_file():
                continue
            status = file.stat()
            version = (status.st_mtime_ns, status.st_size)
            if self._copied.get(name) != version:
                _replace(filesystem, f"{root}/{name.as_posix()}", file.read_bytes())
                self._copied[name] = version
        version = (hash(checkpoints), len(checkpoints))
        if checkpoints and self._copied.get(records) != version:
            _replace(filesystem, f"{root}/{records.name}", checkpoints)
            self._copied[records] = version


def open_filesystem(url: str) -> tuple[Any, str]:
    """The filesystem of a URL, and the path in it. Raises ConfigError."""
    try:
        filesystem, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
    except (ValueError, ImportError) as error:  # unknown protocol; a package that is missing
        raise ConfigError(f"mirror {url}: {error}") from error
    return filesystem, root.rstrip("/")


def fetch_run(url: str, to: Path) -> Path:
    """Copy the run at a URL into a new run directory; raises RunDirectoryError."""
    refuse_run(to)
    filesystem, root = open_filesystem(url)
    if not filesystem.exists(f"{root}/{RunDirectory(to).config_file.name}"):
        raise RunDirectoryError(f"{url} holds no run: there is no config.json")
    partial = to.with_name(f".{to.name}.fetched")
    shutil.rmtree(partial, ignore_errors=True)
    for source in filesystem.find(root):
        name = Path(source[source.index(root) + len(root) :].lstrip("/"))
        if name.parts[-1].startswith("."):
            continue
        (partial / name).parent.mkdir(parents=True, exist_ok=True)
        (partial / name).write_bytes(filesystem.cat_file(source))
    partial.replace(to)  # whole or not at all
    return to


def _replace(filesystem: Any, path: str, content: bytes) -> None:
    """Write a file whole: a reader finds the old content or the new."""
    folder, _, name = path.rpartition("/")
    temporary = f"{folder}/.{name}"
    protocols = filesystem.protocol
    protocols = {protocols} if isinstance(protocols, str) else set(protocols)
    if not protocols & _OBJECT_STORES:
        filesystem.makedirs(folder, exist_ok=True)
    filesystem.pipe_file(temporary, content)
    filesystem.mv(temporary, path)
