"""`download`: the adapter of a checkpoint or a run, into a folder."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import tinker
import tyro
from attrs import frozen
from filelock import FileLock, Timeout

from tinker_core import CheckpointError, ConfigError
from tinker_core.engine.address import find_engine
from tinker_core.engine.local_checkpoints import local_folder
from tinker_weights.adapter.config import CONFIG, TENSORS, read_adapter_config
from tinker_weights.atomic_folder import check_free, replace_folder
from tinker_weights.checkpoint.path import SCHEME, CheckpointPath, parse_path
from tinker_weights.checkpoint.run_directory import is_run, read_run
from tinker_weights.download.engine_files import fetch_files
from tinker_weights.download.fetch import Progress
from tinker_weights.download.unpack import is_archive, unpack
from tinker_weights.tensor_file.reader import read_tensors

logger = logging.getLogger(__name__)

ORIGIN = "checkpoint.json"
"""Written beside the adapter: where it comes from."""


@frozen(kw_only=True)
class Downloaded:
    """An adapter in a folder."""

    folder: Path
    origin: str
    """The `tinker://` path or the file that it comes from."""
    step: int | None = None
    """The optimizer steps in it, where a run was named."""


def download(
    source: str,
    folder: str | Path,
    *,
    step: int | None = None,
    overwrite: bool = False,
    progress: Annotated[Progress | None, tyro.conf.Suppress] = None,
) -> Downloaded:
    """Put the adapter of a checkpoint into a folder.

    What a local engine stored is copied, without starting it. Everything else comes from the engine
    that the environment names; a download that broke off goes on when it is started again. The
    folder appears when all is there and checked.

    Args:
        source: A tinker:// path, a run's folder, or an archive.
        folder: Where to.
        step: Of a run, the checkpoint of this step; the newest unless given.
        overwrite: Replace what is in the folder.
        progress: Called with a file's name, the bytes that are here, and those there are.
    """
    target = Path(folder).expanduser()
    if not overwrite:
        check_free(target)
    partial = target.with_name(f".{target.name}.download")
    lock = partial.with_name(f"{partial.name}.lock")
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock, timeout=0):
            try:
                found = _fill(source, step, partial, progress)
                _check(partial, found.origin)
                replace_folder(partial, target)
            finally:
                lock.unlink(missing_ok=True)
    except Timeout:
        raise ConfigError(f"another process is downloading into {target}") from None
    except OSError as error:
        raise ConfigError(f"{target} cannot be written: {error}") from error
    return Downloaded(folder=target, origin=found.origin, step=found.step)


@contextmanager
def adapter_folder(source: str, *, step: int | None = None) -> Iterator[Path]:
    """The folder of an adapter: `source` if it is one, else a download that goes with the block."""
    folder = Path(source).expanduser()
    if (folder / CONFIG).is_file():
        yield folder
        return
    with TemporaryDirectory(prefix="tinker-weights-") as scratch:
        yield download(source, Path(scratch) / "adapter", step=step).folder


def _fill(source: str, step: int | None, partial: Path, progress: Progress | None) -> Downloaded:
    """Bring the files into the partial folder."""
    path = Path(source).expanduser()
    if source.startswith(SCHEME):
        _begin(partial, source)
        _fill_from_paths((source,), partial, progress)
        return Downloaded(folder=partial, origin=source)
    if is_archive(path):
        shutil.rmtree(partial, ignore_errors=True)
        unpack(path, partial)
        _flatten(partial)
        return Downloaded(folder=partial, origin=str(path))
    if not is_run(path):
        raise ConfigError(
            f"{source!r} is no {SCHEME} path, no run's folder, no folder with an adapter, and no "
            "archive"
        )
    checkpoint = read_run(path).checkpoint(step)
    _begin(partial, str(checkpoint.paths))
    origin = _fill_from_paths(checkpoint.paths, partial, progress)
    return Downloaded(folder=partial, origin=origin, step=checkpoint.step)


def _begin(partial: Path, source: str) -> None:
    """Keep what an earlier download of the same source left, and nothing else."""
    note = partial / ".source"
    if not note.is_file() or note.read_text(encoding="utf-8") != source:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        note.write_text(source, encoding="utf-8")


def _fill_from_paths(paths: tuple[str, ...], partial: Path, progress: Progress | None) -> str:
    """From the first path that a local engine has stored, else from the engine; which it was."""
    for path in paths:
        stored = local_folder(path)
        if stored is not None:
            _copy(stored, partial, path)
            return path
    parsed = [parse_path(path) for path in paths]
    offered = [path for path in parsed if path.kind != "sampler_weights"] or parsed
    with find_engine() as address:
        logger.info("downloading %s from the %s", offered[0], address.description)
        fetch_files(offered[0], partial, address, progress)
        rest = tinker.RestClient(base_url=address.base_url, api_key=address.api_key)
        _note_origin(partial, str(offered[0]), _metadata(rest, parsed))
    for file in list(partial.iterdir()):
        if not file.name.startswith(".") and is_archive(file):
            unpack(file, partial / ".unpacked")
            file.unlink()
            for unpacked in (partial / ".unpacked").iterdir():
                unpacked.rename(partial / unpacked.name)
            (partial / ".unpacked").rmdir()
            _flatten(partial)
    return str(offered[0])


def _copy(stored: Path, partial: Path, path: str) -> None:
    """Copy the adapter that an engine keeps in a folder, and compare the copies."""
    for name in (CONFIG, TENSORS):
        shutil.copyfile(stored / name, partial / name)
        if _sha256(stored / name) != _sha256(partial / name):
            raise CheckpointError(f"the copy of {stored / name} differs from it")
    meta: dict[str, Any] = {}
    if (stored / "meta.json").is_file():
        meta = json.loads((stored / "meta.json").read_text(encoding="utf-8"))
    _note_origin(partial, path, meta.get("user_metadata") or {})


def _metadata(rest: tinker.RestClient, paths: list[CheckpointPath]) -> dict[str, str]:
    """The engine's user_metadata of a checkpoint; empty where it keeps none."""
    names = {str(path) for path in paths}
    try:
        found = rest.list_checkpoints(paths[0].run).result().checkpoints
    except tinker.TinkerError as error:
        logger.warning("%s: its metadata cannot be read: %s", paths[0], error)
        return {}
    kept = [row.user_metadata for row in found if row.tinker_path in names and row.user_metadata]
    return dict(kept[0]) if kept else {}


def _note_origin(folder: Path, path: str, metadata: dict[str, str]) -> None:
    origin = {"path": path, "user_metadata": metadata}
    (folder / ORIGIN).write_text(json.dumps(origin, indent=2) + "\n", encoding="utf-8")


def _flatten(folder: Path) -> None:
    """Lift the files out of the one folder that an archive may keep them in."""
    children = [child for child in folder.iterdir() if not child.name.startswith(".")]
    if len(children) == 1 and children[0].is_dir():
        inner = children[0].rename(folder / ".inner")
        for file in inner.iterdir():
            file.rename(folder / file.name)
        inner.rmdir()


def _check(folder: Path, origin: str) -> None:
    """Raise CheckpointError for what is no adapter, or one whose file is damaged."""
    for note in (".source", ".export"):
        (folder / note).unlink(missing_ok=True)
    for leftover in (*folder.rglob("*.part"), *folder.rglob("*.etag")):
        leftover.unlink()
    if encrypted := sorted(folder.glob("*.age")):
        logger.warning("%s: %s is encrypted; decrypt it with age", origin, encrypted[0].name)
        return
    read_adapter_config(folder)
    read_tensors(folder / TENSORS)


def _sha256(file: Path) -> bytes:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()
