"""The names and shapes of a model's tensors, without the model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from tinker_core import ConfigError
from tinker_weights.base_model.find import INDEX, find_base_model, has_weights
from tinker_weights.base_model.model import read_config, weight_files
from tinker_weights.quantisation.formats import plain_tensors
from tinker_weights.tensor_file.reader import StoredTensor, read_tensors

Shape = tuple[int, ...]


@frozen(kw_only=True)
class ModelOutline:
    """The facts of a model from its small files and the headers of its large ones."""

    folder: Path
    config: Mapping[str, Any] = field(repr=False)
    shapes: Mapping[str, Shape | None] = field(repr=False)
    """By tensor name; None where only the name is known."""

    @property
    def model_type(self) -> str:
        return str(self.config.get("model_type", ""))

    @property
    def architecture(self) -> str:
        """The name of the transformers class, such as LlamaForCausalLM."""
        return str((self.config.get("architectures") or [self.model_type])[0])


def outline(name: str) -> ModelOutline:
    """Outline a model by its name or folder; its weights are not fetched.

    Raises ConfigError or DataError.
    """
    folder = find_base_model(name, weights=False)
    config = read_config(folder)
    shapes: Mapping[str, Shape | None]
    if has_weights(folder) and all((folder / file).is_file() for file in weight_files(folder)):
        stored: dict[str, StoredTensor] = {}
        for file in weight_files(folder):
            stored |= read_tensors(folder / file)
        shapes = {name: tensor.shape for name, tensor in plain_tensors(config, stored).items()}
    elif (folder / INDEX).is_file():
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        shapes = dict.fromkeys(index["weight_map"])
    else:
        shapes = _from_headers(name)
    return ModelOutline(folder=folder, config=config, shapes=shapes)


def _from_headers(name: str) -> Mapping[str, Shape]:
    """The hub reads the headers of its files."""
    from huggingface_hub import get_safetensors_metadata

    try:
        files = get_safetensors_metadata(name).files_metadata.values()
    except Exception as error:  # the HTTP library beneath, and so its errors, changes with versions
        reason = " ".join(str(error).split())
        raise ConfigError(f"the tensors of {name} cannot be listed: {reason:.300}") from error
    return {tensor: tuple(info.shape) for file in files for tensor, info in file.tensors.items()}
