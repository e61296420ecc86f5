"""Writing the merged model: a full Hugging Face model folder, one block of rows at a time."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from attrs import field, frozen

from tinker_core import ConfigError
from tinker_weights.adapter.read import Adapter, read_adapter
from tinker_weights.atomic_folder import new_folder
from tinker_weights.base_model.find import INDEX
from tinker_weights.base_model.model import BaseModel, open_base_model
from tinker_weights.download.download import adapter_folder
from tinker_weights.merge.blocks import merged_blocks
from tinker_weights.merge.merged_config import merged_config
from tinker_weights.merge.placement import Placement, place
from tinker_weights.tensor_file.dtypes import CONFIG_NAMES, SAFETENSORS_NAMES, Array, Dtype
from tinker_weights.tensor_file.writer import TensorToWrite, write_file

logger = logging.getLogger(__name__)

_COPIED = ("*.json", "*.jinja", "*.model", "*.tiktoken", "*.txt", "*.py", "LICENSE*", "NOTICE*")
_NOT_COPIED = ("config.json", "*.safetensors.index.json", "*.bin.index.json")


@frozen(kw_only=True)
class MergedModel:
    """A model folder that a merge wrote."""

    folder: Path
    modules: int
    """The number of modules that the adapter changed."""
    dtype: str
    """The type of the model's weights."""
    untied: bool
    """True if the unembedding was tied to the input embedding, and is a tensor of its own now."""
    dequantised: bool


def merge(
    source: str,
    folder: str | Path,
    *,
    base: str | None = None,
    dtype: Dtype | None = None,
    step: int | None = None,
    overwrite: bool = False,
) -> MergedModel:
    """Merge an adapter into its base model: a full Hugging Face model.

    Sums are computed in float32 and rounded once. Where the adapter changes an unembedding that the
    base model ties to its input embedding, the merged model has both. A quantised base model is
    dequantised. The folder appears whole or not at all.

    Args:
        source: A tinker:// path, a run's folder, a folder with an adapter, or an archive.
        folder: Where to.
        base: The base model's name or folder; as the adapter names it unless given.
        dtype: The type of the weights; the base model's unless given.
        step: Of a run, the checkpoint of this step; the newest unless given.
        overwrite: Replace what is in the folder.
    """
    target = Path(folder).expanduser()
    with adapter_folder(source, step=step) as found:
        adapter = read_adapter(found)
        model = open_base_model(adapter.base_name(base))
        return merge_adapter(adapter, model, target, dtype=dtype, overwrite=overwrite)


def merge_adapter(
    adapter: Adapter,
    base: BaseModel,
    folder: Path,
    *,
    dtype: Dtype | None = None,
    overwrite: bool = False,
) -> MergedModel:
    """Write the merged model; the folder appears whole or not at all.

    Without `dtype` every tensor keeps its type. Raises ConfigError where the adapter does not fit
    the base model, and where the folder is taken.
    """
    placement = place(adapter, base)
    main = base.main_dtype()
    chosen = SAFETENSORS_NAMES[dtype] if dtype else main
    writing = _Writing(base=base, placement=placement, main=main, chosen=chosen)
    config = merged_config(base, unties=placement.unties, dtype=CONFIG_NAMES[chosen])
    with new_folder(folder, overwrite=overwrite) as partial:
        files = writing.write(partial)
        if set(files.values()) != {"model.safetensors"}:
            _write_json(partial / INDEX, writing.index(files))
        _write_json(partial / "config.json", config)
        copy_small_files(base.folder, partial)
    return MergedModel(
        folder=folder,
        modules=len(adapter.modules),
        dtype=CONFIG_NAMES[chosen],
        untied=placement.unties,
        dequantised=base.is_quantised,
    )


@frozen(kw_only=True)
class _Writing:
    base: BaseModel
    placement: Placement
    main: str = field()
    """The type of most of the base model's weights."""
    chosen: str
    """The type that these get."""

    def write(self, folder: Path) -> dict[str, str]:
        """Write the tensors into files of the base model's names; the file of each tensor."""
        files = {name: self._file(name) for name in self.base.tensors}
        if self.placement.unembedding is not None and self.placement.embedding is not None:
            files[self.placement.unembedding] = files[self.placement.embedding]
        for file in sorted(set(files.values())):
            names = [name for name, its_file in files.items() if its_file == file]
            write_file(folder / file, [self._tensor(name) for name in names])
            logger.info("wrote %s: %d tensors", file, len(names))
        return files

    def index(self, files: dict[str, str]) -> dict[str, object]:
        """The index, which names the file of each tensor."""
        size = sum(self._tensor(name).nbytes for name in files)
        return {"metadata": {"total_size": size}, "weight_map": dict(sorted(files.items()))}

    def _file(self, name: str) -> str:
        quantised = (name, f"{name}_packed", f"{name}_blocks")  # what its values are stored as
        stored = next(self.base.stored[each] for each in quantised if each in self.base.stored)
        return stored.file.name

    def _tensor(self, name: str) -> TensorToWrite:
        tensors = self.base.tensors
        source = tensors[name] if name in tensors else tensors[str(self.placement.embedding)]
        # A tensor that the base model keeps in another type than the rest (such as the float32
        # bias of a router) keeps it.
        dtype = self.chosen if source.dtype == self.main else source.dtype
        blocks = merged_blocks(source, self.placement.updates.get(name, ()), dtype)
        return TensorToWrite(
            name=name, dtype=dtype, shape=source.shape, blocks=_finite(blocks, name, dtype)
        )


def _finite(blocks: Iterator[Array], name: str, dtype: str) -> Iterator[Array]:
    """Raise ConfigError where a value does not fit into float16."""
    for block in blocks:
        if dtype == "F16" and not np.isfinite(block).all():
            raise ConfigError(f"{name} has values beyond float16: choose bfloat16 or float32")
        yield block


def copy_small_files(source: Path, target: Path) -> None:
    """Copy tokenizer, generation config, chat templates, remote code and licences."""
    for folder in (source, source / "additional_chat_templates"):
        for file in (file for pattern in _COPIED for file in folder.glob(pattern)):
            if not any(file.match(pattern) for pattern in _NOT_COPIED):
                copied = target / file.relative_to(source)
                copied.parent.mkdir(exist_ok=True)
                shutil.copyfile(file, copied)


def _write_json(file: Path, value: object) -> None:
    file.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
