"""The checkpoints that an engine has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import tinker
from attrs import field, frozen

from tinker_core import CheckpointError
from tinker_core.engine.address import find_engine
from tinker_core.engine.errors import engine_errors
from tinker_core.engine.local_checkpoints import local_folder
from tinker_weights.checkpoint.path import parse_path

_PAGE = 500


@frozen(kw_only=True)
class EngineCheckpoint:
    """A checkpoint as an engine lists it."""

    path: str
    time: datetime
    size: int | None = None
    """In bytes."""
    expires: datetime | None = None
    public: bool = False
    metadata: Mapping[str, str] = field(factory=dict)
    """The metadata that the run saved with it: renderer, step, data and more."""
    folder: Path | None = None
    """The folder of its files on this machine."""

    @property
    def run(self) -> str:
        """The engine's name of the training run."""
        return parse_path(self.path).run

    @property
    def kind(self) -> str:
        return parse_path(self.path).kind


@contextmanager
def open_engine() -> Iterator[tinker.RestClient]:
    """A client of the engine that the environment names."""
    with find_engine() as address:
        yield tinker.RestClient(base_url=address.base_url, api_key=address.api_key)


def all_checkpoints(rest: tinker.RestClient) -> list[EngineCheckpoint]:
    """Every checkpoint of the user's, newest first."""
    found: list[EngineCheckpoint] = []
    with engine_errors("the list of checkpoints"):
        while True:
            page = rest.list_user_checkpoints(limit=_PAGE, offset=len(found)).result()
            found += [_checkpoint(row) for row in page.checkpoints]
            total = page.cursor.total_count if page.cursor else len(found)
            if not page.checkpoints or len(found) >= total:
                return sorted(found, key=lambda row: row.time, reverse=True)


def find_checkpoint(rest: tinker.RestClient, path: str) -> EngineCheckpoint:
    """One checkpoint by its path. Raises CheckpointError where the engine does not have it."""
    run = parse_path(path).run
    try:
        rows = rest.list_checkpoints(run).result().checkpoints
    except tinker.NotFoundError:
        rows = []
    found = next((row for row in rows if row.tinker_path == path), None)
    if found is None:
        raise CheckpointError(f"the engine has no checkpoint {path}")
    return _checkpoint(found)


def _checkpoint(row: tinker.types.Checkpoint) -> EngineCheckpoint:
    return EngineCheckpoint(
        path=row.tinker_path,
        time=row.time,
        size=row.size_bytes,
        expires=row.expires_at,
        public=row.public,
        metadata=dict(row.user_metadata or {}),
        folder=local_folder(row.tinker_path),
    )
