"""The snapshot store: unnamed sampler weights, on disk while their server lives.

A training loop takes a snapshot at every step and never says when it is done with one. The least
recently used ones are evicted.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, field

from tinker_local.errors import RequestError
from tinker_local.request_types import LoraSpec

if TYPE_CHECKING:
    import torch

MAX_SNAPSHOTS = 64
ABANDONED_S = 3600.0
"""The server of a folder that was not touched for so long was killed."""


@define(eq=False)
class SnapshotStore:
    """Snapshots by the id of their sampler."""

    home: Path
    limit: int = MAX_SNAPSHOTS
    folder: Path = field(init=False)
    specs: OrderedDict[str, LoraSpec] = field(factory=OrderedDict)
    """In LRU order."""

    def __attrs_post_init__(self) -> None:
        self.folder = self.home / "snapshots" / uuid.uuid4().hex

    def _file(self, sampler_id: str) -> Path:
        return self.folder / f"{sampler_id}.safetensors"

    def put(self, sampler_id: str, spec: LoraSpec, tensors: dict[str, torch.Tensor]) -> None:
        """Write a snapshot and evict the least recently used ones."""
        from safetensors.torch import save_file

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_file(tensors, self._file(sampler_id))
        except OSError as error:
            raise RequestError(
                f"the snapshot of {sampler_id} cannot be written: {error}", "server"
            ) from error
        self.specs[sampler_id] = spec
        while len(self.specs) > self.limit:
            self.drop(next(iter(self.specs)))

    def get(self, sampler_id: str) -> tuple[LoraSpec, dict[str, torch.Tensor]]:
        """Read a snapshot. RequestError when it was evicted."""
        from safetensors.torch import load_file

        if sampler_id not in self.specs:
            raise RequestError(
                f"the weights of sampler {sampler_id} were evicted: {self.limit} newer ones were "
                "used since. Save weights by name to keep them"
            )
        self.touch(sampler_id)
        return self.specs[sampler_id], load_file(self._file(sampler_id))

    def touch(self, sampler_id: str) -> None:
        """Make a snapshot the most recently used one."""
        if sampler_id in self.specs:
            self.specs.move_to_end(sampler_id)

    def drop(self, sampler_id: str) -> None:
        """Delete a snapshot."""
        if self.specs.pop(sampler_id, None) is not None:
            self._file(sampler_id).unlink(missing_ok=True)

    def clean_up(self) -> None:
        """Mark this server as alive, and delete the snapshots of servers that were killed."""
        if self.folder.exists():
            os.utime(self.folder)
        for folder in self.folder.parent.glob("*"):
            if time.time() - folder.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Delete all snapshots of this server."""
        shutil.rmtree(self.folder, ignore_errors=True)
