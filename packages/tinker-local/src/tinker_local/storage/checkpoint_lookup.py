"""Finding the folder of a checkpoint, for clients that read its files without an engine."""

from __future__ import annotations

from pathlib import Path

from tinker_local.errors import RequestError
from tinker_local.home import home_folder
from tinker_local.storage.checkpoint_path import parse_path
from tinker_local.storage.checkpoint_store import CheckpointStore


def checkpoint_folder(path: str, home: Path | None = None) -> Path | None:
    """The folder of a `tinker://` path in the engine's home; None where it has none.

    The entry point `tinker.checkpoints`. Importing this module imports no torch.
    """
    store = CheckpointStore(home or home_folder())
    try:
        checkpoint = parse_path(path)
        store.metadata(checkpoint)
    except RequestError:  # the path of another engine, an expired one, or a wrong one
        return None
    return store.folder(checkpoint)
