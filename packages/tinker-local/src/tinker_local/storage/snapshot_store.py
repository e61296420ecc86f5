"""Unnamed sampler weights: kept on disk while their server lives, the least used dropped first.

A training loop takes such a snapshot at every step and never says when it is done with one.
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
"""A folder that its server has not touched for so long belongs to a server that was killed."""


@define(eq=False)
class Shelf:
    """Snapshots by the id of their sampler."""

    home: Path
    limit: int = MAX_SNAPSHOTS
    folder: Path = field(init=False)
    specs: OrderedDict[str, LoraSpec] = field(factory=OrderedDict)
    """Least recently used first."""

    def __attrs_post_init__(self) -> None:
        self.folder = self.home / "snapshots" / uuid.uuid4().hex

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"

    def put(self, name: str, spec: LoraSpec, tensors: dict[str, torch.Tensor]) -> None:
        from safetensors.torch import save_file

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_file(tensors, self._file(name))
        except OSError as error:
            raise RequestError(
                f"the weights of {name} cannot be kept: {error}", "server"
            ) from error
        self.specs[name] = spec
        while len(self.specs) > self.limit:
            self.drop(next(iter(self.specs)))

    def get(self, name: str) -> tuple[LoraSpec, dict[str, torch.Tensor]]:
        from safetensors.torch import load_file

        if name not in self.specs:
            raise RequestError(
                f"the weights of sampler {name} were dropped: {self.limit} newer ones were used "
                "since; save weights by name to keep them"
            )
        self.specs.move_to_end(name)
        return self.specs[name], load_file(self._file(name))

    def touch(self, name: str) -> None:
        """Count as a use."""
        if name in self.specs:
            self.specs.move_to_end(name)

    def drop(self, name: str) -> None:
        if self.specs.pop(name, None) is not None:
            self._file(name).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Say that this server lives, and clear away what killed ones left."""
        if self.folder.exists():
            os.utime(self.folder)
        for folder in self.folder.parent.glob("*"):
            if time.time() - folder.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
