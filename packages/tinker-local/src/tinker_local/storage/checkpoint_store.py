"""Checkpoints on disk, readable by PEFT: `<home>/checkpoints/<run>/<kind>/<name>/`.

A folder holds `adapter_model.safetensors` and `adapter_config.json`, a training checkpoint also
`optimizer.safetensors`, and `meta.json` says what it is.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from attrs import field, frozen

from tinker_local.errors import NotFoundError, RequestError
from tinker_local.request_types import LoraSpec
from tinker_local.storage import atomic_write
from tinker_local.storage.checkpoint_path import KINDS, TinkerPath, make_path

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

LORA_ALPHA = 32
"""Fixed: an update is scaled by alpha / rank, so that a learning rate suits every rank."""

ADAPTER, OPTIMIZER, CONFIG, META = (
    "adapter_model.safetensors",
    "optimizer.safetensors",
    "adapter_config.json",
    "meta.json",
)


@frozen(kw_only=True)
class Meta:
    """What a checkpoint is, beside its tensors."""

    base_model: str
    spec: LoraSpec
    created: datetime
    expires: datetime | None = None
    public: bool = False
    user_metadata: dict[str, str] | None = None
    run_metadata: dict[str, str] | None = None
    """The user's metadata of the training run."""

    def to_json(self) -> bytes:
        rows = attrs.asdict(self)
        return json.dumps(rows, default=datetime.isoformat, indent=1).encode()

    @classmethod
    def from_json(cls, raw: bytes) -> Meta:
        rows = json.loads(raw)
        rows["spec"] = LoraSpec(**rows["spec"])
        for name in ("created", "expires"):
            rows[name] = rows[name] and datetime.fromisoformat(rows[name])
        return cls(**rows)


def expiry(ttl_seconds: int | None) -> datetime | None:
    """The moment so many seconds from now; None never comes."""
    if ttl_seconds is None:
        return None
    try:
        return datetime.now(UTC) + timedelta(seconds=ttl_seconds)
    except OverflowError as error:
        raise RequestError(f"ttl_seconds: {ttl_seconds} is beyond the year 9999") from error


def _adapter_config(tensors: Mapping[str, object], meta: Meta) -> bytes:
    """What PEFT reads; its module names are the last parts of the tensors' paths."""
    modules = {name.rsplit(".lora_", 1)[0].rsplit(".", 1)[-1] for name in tensors}
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": meta.base_model,
        "r": meta.spec.rank,
        "lora_alpha": LORA_ALPHA,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "target_modules": sorted(modules),
    }
    return json.dumps(config, indent=1).encode()


@frozen
class Store:
    """The checkpoints under one home folder."""

    home: Path = field(converter=Path)

    @property
    def root(self) -> Path:
        return self.home / "checkpoints"

    def folder(self, path: TinkerPath) -> Path:
        return self.root / path.run / path.kind / path.name

    def write(
        self,
        path: TinkerPath,
        meta: Meta,
        adapter: dict[str, torch.Tensor],
        optimizer: dict[str, torch.Tensor],
        *,
        overwrite: bool = False,
    ) -> int:
        """Store a checkpoint and say its size in bytes; an existing name needs `overwrite`."""
        from safetensors.torch import save_file

        folder = self.folder(path)
        if folder.exists() and not overwrite and not self._expired(path):
            raise RequestError(f"{path} exists already; choose another name or pass overwrite=True")

        def fill(target: Path) -> None:
            save_file(adapter, target / ADAPTER, {"format": "pt"})
            if path.kind == "weights":
                save_file(optimizer, target / OPTIMIZER, {"format": "pt"})
            (target / CONFIG).write_bytes(_adapter_config(adapter, meta))
            (target / META).write_bytes(meta.to_json())

        self._write_folder(path, fill)
        return self.size(path)

    def _write_folder(self, path: TinkerPath, fill: Callable[[Path], None]) -> None:
        try:
            atomic_write.write_folder(self.folder(path), fill)
        except OSError as error:
            raise RequestError(f"{path} cannot be written: {error}", "server") from error

    def meta(self, path: TinkerPath) -> Meta:
        """What a checkpoint is; `NotFoundError` when it is absent or has expired."""
        meta = self._read_meta(path)
        if meta.expires is not None and meta.expires <= datetime.now(UTC):
            raise NotFoundError(f"{path} expired at {meta.expires.isoformat()}")
        return meta

    def _read_meta(self, path: TinkerPath) -> Meta:
        file = self.folder(path) / META
        try:
            return Meta.from_json(file.read_bytes())
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFoundError(f"there is no checkpoint {path}") from error
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise RequestError(f"{file} cannot be read: {error!r}", "server") from error

    def _expired(self, path: TinkerPath) -> bool:
        expires = self._read_meta(path).expires
        return expires is not None and expires <= datetime.now(UTC)

    def tensors(self, path: TinkerPath, *, optimizer: bool) -> dict[str, torch.Tensor]:
        """The adapter's tensors by their PEFT names, with the optimizer's beside them if asked."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        if optimizer and path.kind != "weights":
            raise RequestError(f"{path} holds no optimizer state; only `weights` do")
        files = [ADAPTER, OPTIMIZER] if optimizer else [ADAPTER]
        tensors: dict[str, torch.Tensor] = {}
        for name in files:
            try:
                tensors |= load_file(self.folder(path) / name)
            except (OSError, SafetensorError) as error:
                raise RequestError(f"{path}, {name}: {error}", "server") from error
        return tensors

    def size(self, path: TinkerPath) -> int:
        """In bytes, on disk."""
        return sum(file.stat().st_size for file in self.folder(path).iterdir())

    def paths(self, run: str | None = None) -> Iterator[TinkerPath]:
        """The checkpoints of one run or of all, in no order; nothing but checkpoints."""
        for folder in self.root.glob(f"{run or '*'}/*/*"):
            try:
                path = make_path(folder.parts[-3], folder.parts[-2], folder.name)
            except RequestError:
                continue  # a hidden folder that is being written, or a stranger's file
            yield path

    def listing(self, run: str | None = None) -> list[tuple[TinkerPath, Meta]]:
        """What can be used, newest first; a checkpoint that cannot be read is logged."""
        rows = []
        for path in self.paths(run):
            try:
                rows.append((path, self.meta(path)))
            except NotFoundError:
                continue  # expired, or deleted under our eyes
            except RequestError as error:
                logger.warning("%s", error)
        return sorted(rows, key=lambda row: row[1].created, reverse=True)

    def change(self, path: TinkerPath, **changes: Any) -> None:
        """Replace fields of a checkpoint's meta (`public`, `expires`)."""
        meta = attrs.evolve(self.meta(path), **changes)
        atomic_write.write_file(self.folder(path) / META, meta.to_json())

    def copy(self, source: TinkerPath, target: TinkerPath, expires: datetime | None) -> None:
        """A second, independent checkpoint with the same tensors."""
        meta = attrs.evolve(
            self.meta(source), created=datetime.now(UTC), expires=expires, public=False
        )

        def fill(folder: Path) -> None:
            shutil.copytree(self.folder(source), folder, dirs_exist_ok=True)
            (folder / META).write_bytes(meta.to_json())

        self._write_folder(target, fill)

    def delete(self, path: TinkerPath) -> None:
        self._read_meta(path)
        atomic_write.delete_folder(self.folder(path))

    def tidy(self) -> None:
        """After a start: clear away what a crash left half written."""
        for kind in KINDS:
            for parent in self.root.glob(f"*/{kind}"):
                atomic_write.tidy(parent)

    def sweep(self) -> None:
        """Delete what has expired."""
        for path in list(self.paths()):
            try:
                if self._expired(path):
                    self.delete(path)
            except RequestError as error:
                logger.warning("%s", error)
