"""A run's folder, as `tinker-train` writes it: its config and its checkpoints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from tinker_core import CheckpointError, RunDirectoryError
from tinker_core.jsonl import read_jsonl

_CONFIG, _CHECKPOINTS = "config.json", "checkpoints.jsonl"


@frozen(kw_only=True)
class RunCheckpoint:
    """One line of checkpoints.jsonl."""

    name: str
    step: int
    state_path: str | None = None
    """Weights and optimizer."""
    sampler_path: str | None = None
    """Weights to sample from."""
    metadata: Mapping[str, str] = field(factory=dict, repr=False)
    """Renderer, LoRA, data and versions of its training."""
    final: bool = False
    time: float | None = None
    """The time of its submission, in seconds since 1970."""

    @property
    def paths(self) -> tuple[str, ...]:
        """Its `tinker://` paths, the sampler's first."""
        return tuple(path for path in (self.sampler_path, self.state_path) if path is not None)


@frozen(kw_only=True)
class RunDirectory:
    """The contents of a run's folder."""

    folder: Path
    description: Mapping[str, Any] = field(repr=False)
    """config.json: the config, and what the run was made with."""
    checkpoints: tuple[RunCheckpoint, ...] = field(repr=False)
    """Oldest first."""

    @property
    def config(self) -> Mapping[str, Any]:
        config: Mapping[str, Any] = self.description.get("config", {})
        return config

    @property
    def base_model(self) -> str | None:
        return self.config.get("model")

    @property
    def is_complete(self) -> bool:
        return any(checkpoint.final for checkpoint in self.checkpoints)

    def checkpoint(self, step: int | None = None) -> RunCheckpoint:
        """The newest checkpoint with weights, or that of a step; CheckpointError without one."""
        usable = [checkpoint for checkpoint in self.checkpoints if checkpoint.paths]
        if not usable:
            raise CheckpointError(f"{self.folder} has no checkpoint yet")
        if step is None:
            return usable[-1]
        found = [checkpoint for checkpoint in usable if checkpoint.step == step]
        if not found:
            steps = ", ".join(str(each) for each in sorted({each.step for each in usable}))
            raise CheckpointError(f"{self.folder} has no checkpoint of step {step}, only {steps}")
        return found[-1]


def is_run(folder: Path) -> bool:
    """True if a folder holds a run."""
    if (folder / _CHECKPOINTS).is_file():
        return True
    try:
        description = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(description, dict) and isinstance(description.get("config"), dict)


def read_run(folder: Path) -> RunDirectory:
    """Read a run's folder. Raises RunDirectoryError."""
    file = folder / _CONFIG
    try:
        description = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunDirectoryError(f"{folder} holds no run: there is no {_CONFIG}") from None
    except (OSError, ValueError) as error:
        raise RunDirectoryError(f"{file} cannot be read: {error}") from error
    if not isinstance(description, dict) or not isinstance(description.get("config"), dict):
        raise RunDirectoryError(f"{file} is not a run's config")
    records = folder / _CHECKPOINTS
    rows = read_jsonl(records, drop_torn_line=True) if records.is_file() else ()
    checkpoints = tuple(_checkpoint(row, records, number) for number, row in rows)
    return RunDirectory(folder=folder, description=description, checkpoints=checkpoints)


def find_runs(folder: Path) -> list[Path]:
    """The folders under a folder, itself included, that hold runs, in order."""
    configs = sorted(folder.rglob(_CONFIG)) if folder.is_dir() else []
    return [file.parent for file in configs if is_run(file.parent)]


def _checkpoint(row: Mapping[str, Any], file: Path, number: int) -> RunCheckpoint:
    try:
        return RunCheckpoint(
            name=str(row["name"]),
            step=int(row["progress"]["step"]),
            state_path=row.get("state_path"),
            sampler_path=row.get("sampler_path"),
            metadata=dict(row.get("metadata") or {}),
            final=bool(row.get("final")),
            time=row.get("time"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RunDirectoryError(f"{file}:{number}: not a checkpoint: {error!r}") from error
