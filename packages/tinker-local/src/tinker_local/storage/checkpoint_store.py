"""The checkpoint store: `<home>/checkpoints/<run>/<kind>/<name>/`, in the layout of PEFT.

A folder holds `adapter_model.safetensors`, `adapter_config.json` and `meta.json`; a checkpoint of
`weights` also holds `optimizer.safetensors`.
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
from tinker_local.request_types import LORA_ALPHA, LoraSpec
from tinker_local.storage import atomic_write
from tinker_local.storage.checkpoint_path import KINDS, CheckpointPath, make_path

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

ADAPTER, OPTIMIZER, CONFIG, METADATA = (
    "adapter_model.safetensors",
    "optimizer.safetensors",
    "adapter_config.json",
    "meta.json",
)


@frozen(kw_only=True)
class CheckpointMetadata:
    """The content of `meta.json`."""

    base_model: str
    spec: LoraSpec
    created: datetime
    expires: datetime | None = None
    public: bool = False
    user_metadata: dict[str, str] | None = None
    run_metadata: dict[str, str] | None = None
    """The user's metadata of the training run."""
    target_parameters: tuple[str, ...] = ()
    """The parameters that hold many experts and have an adapter."""

    @property
    def has_expired(self) -> bool:
        """Its time to live has passed."""
        return self.expires is not None and self.expires <= datetime.now(UTC)

    def to_json(self) -> bytes:
        """Write `meta.json`."""
        rows = attrs.asdict(self)
        return json.dumps(rows, default=datetime.isoformat, indent=1).encode()

    @classmethod
    def from_json(cls, raw: bytes) -> CheckpointMetadata:
        """Read `meta.json`."""
        rows = json.loads(raw)
        rows["spec"] = LoraSpec(**rows["spec"])
        rows["target_parameters"] = tuple(rows.get("target_parameters", ()))
        for name in ("created", "expires"):
            rows[name] = rows[name] and datetime.fromisoformat(rows[name])
        return cls(**rows)


def expiry(ttl_seconds: int | None) -> datetime | None:
    """The time so many seconds from now; None stays None."""
    if ttl_seconds is None:
        return None
    try:
        return datetime.now(UTC) + timedelta(seconds=ttl_seconds)
    except OverflowError as error:
        raise RequestError(
            f"invalid ttl_seconds {ttl_seconds}: it ends after the year 9999"
        ) from error


def _adapter_config(tensors: Mapping[str, object], metadata: CheckpointMetadata) -> bytes:
    """PEFT's config. Its target modules are the last parts of the paths of linear layers."""
    experts = {path.rpartition(".")[0] for path in metadata.target_parameters}
    paths = {name.rsplit(".lora_", 1)[0].removeprefix("base_model.model.") for name in tensors}
    paths -= {path + suffix for path in experts for suffix in ("", ".base_layer")}
    modules = {path.rpartition(".")[2] for path in paths}
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": metadata.base_model,
        "r": metadata.spec.rank,
        "lora_alpha": LORA_ALPHA,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "target_modules": sorted(modules),
        **({"target_parameters": sorted(metadata.target_parameters)} if experts else {}),
    }
    return json.dumps(config, indent=1).encode()


@frozen
class CheckpointStore:
    """The checkpoints in one home folder."""

    home: Path = field(converter=Path)

    @property
    def root(self) -> Path:
        """The folder of all checkpoints."""
        return self.home / "checkpoints"

    def folder(self, path: CheckpointPath) -> Path:
        """The folder of a checkpoint."""
        return self.root / path.run / path.kind / path.name

    def write(
        self,
        path: CheckpointPath,
        metadata: CheckpointMetadata,
        adapter: dict[str, torch.Tensor],
        optimizer: dict[str, torch.Tensor],
        *,
        overwrite: bool = False,
    ) -> int:
        """Write a checkpoint; its size in bytes. A name that exists needs `overwrite`."""
        from safetensors.torch import save_file

        if (
            self.folder(path).exists()
            and not overwrite
            and not self._read_metadata(path).has_expired
        ):
            raise RequestError(f"{path} exists already: use another name or pass overwrite=True")

        def fill(target: Path) -> None:
            save_file(adapter, target / ADAPTER, {"format": "pt"})
            if path.kind == "weights":
                save_file(optimizer, target / OPTIMIZER, {"format": "pt"})
            (target / CONFIG).write_bytes(_adapter_config(adapter, metadata))
            (target / METADATA).write_bytes(metadata.to_json())

        self._write_folder(path, fill)
        return self.size(path)

    def _write_folder(self, path: CheckpointPath, fill: Callable[[Path], None]) -> None:
        try:
            atomic_write.write_folder(self.folder(path), fill)
        except OSError as error:
            raise RequestError(f"{path} cannot be written: {error}", "server") from error

    def metadata(self, path: CheckpointPath) -> CheckpointMetadata:
        """The metadata of a checkpoint. `NotFoundError` when it is absent or has expired."""
        metadata = self._read_metadata(path)
        if metadata.expires is not None and metadata.has_expired:
            raise NotFoundError(f"{path} expired at {metadata.expires.isoformat()}")
        return metadata

    def _read_metadata(self, path: CheckpointPath) -> CheckpointMetadata:
        file = self.folder(path) / METADATA
        try:
            return CheckpointMetadata.from_json(file.read_bytes())
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFoundError(f"unknown checkpoint {path}") from error
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise RequestError(f"{file} cannot be read: {error!r}", "server") from error

    def tensors(self, path: CheckpointPath, *, optimizer: bool) -> dict[str, torch.Tensor]:
        """The adapter's tensors by PEFT's names and, if asked, the optimizer's."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        if optimizer and path.kind != "weights":
            raise RequestError(f"{path} has no optimizer state: only `weights` have it")
        files = [ADAPTER, OPTIMIZER] if optimizer else [ADAPTER]
        tensors: dict[str, torch.Tensor] = {}
        for name in files:
            try:
                tensors |= load_file(self.folder(path) / name)
            except (OSError, SafetensorError) as error:
                raise RequestError(f"{path}, {name}: {error}", "server") from error
        return tensors

    def size(self, path: CheckpointPath) -> int:
        """The bytes of its files."""
        return sum(file.stat().st_size for file in self.folder(path).iterdir())

    def paths(self, run: str | None = None) -> Iterator[CheckpointPath]:
        """The checkpoints of one run, or of all, in no order."""
        for folder in self.root.glob(f"{run or '*'}/*/*"):
            try:
                path = make_path(folder.parts[-3], folder.parts[-2], folder.name)
            except RequestError:
                continue  # a hidden folder that is being written, or a foreign file
            yield path

    def listing(self, run: str | None = None) -> list[tuple[CheckpointPath, CheckpointMetadata]]:
        """The usable checkpoints of one run, or of all, the newest first.

        A checkpoint that cannot be read is logged.
        """
        rows = []
        for path in self.paths(run):
            try:
                rows.append((path, self.metadata(path)))
            except NotFoundError:
                continue  # it has expired, or another client has deleted it just now
            except RequestError as error:
                logger.warning("%s", error)
        return sorted(rows, key=lambda row: row[1].created, reverse=True)

    def change(self, path: CheckpointPath, **changes: Any) -> None:
        """Change fields of the metadata (`public`, `expires`)."""
        metadata = attrs.evolve(self.metadata(path), **changes)
        atomic_write.write_file(self.folder(path) / METADATA, metadata.to_json())

    def copy(
        self, source: CheckpointPath, target: CheckpointPath, expires: datetime | None
    ) -> None:
        """Write an independent copy of a checkpoint."""
        metadata = attrs.evolve(
            self.metadata(source), created=datetime.now(UTC), expires=expires, public=False
        )

        def fill(folder: Path) -> None:
            shutil.copytree(self.folder(source), folder, dirs_exist_ok=True)
            (folder / METADATA).write_bytes(metadata.to_json())

        self._write_folder(target, fill)

    def delete(self, path: CheckpointPath) -> None:
        """Delete a checkpoint."""
        self._read_metadata(path)
        atomic_write.delete_folder(self.folder(path))

    def clean_up(self) -> None:
        """Remove what a crash left half written."""
        for kind in KINDS:
            for parent in self.root.glob(f"*/{kind}"):
                atomic_write.clean_up(parent)

    def delete_expired(self) -> None:
        """Delete the checkpoints whose time to live has passed."""
        for path in list(self.paths()):
            try:
                if self._read_metadata(path).has_expired:
                    self.delete(path)
            except RequestError as error:
                logger.warning("%s", error)
